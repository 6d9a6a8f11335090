"""Attention over several memories with one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_attention._core.protocols import AttentionMechanism, StepwiseMechanism, as_mechanism
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, LayerOptions, Shape, Shapes, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention", name="SeveralAttentions")
class MultiSourceAttention(QuantizedParts):
    """Several attentions with the same query, each over its own memory; contexts are joined.

        context = [attention_1(query, value_1); attention_2(query, value_2); ...]

    It has the methods of `Attention` that a recurrent layer uses. Memories,
    states and weights are tuples with one entry per attention. `AttentionRNN`
    makes one of a list.

    Args:
        attentions: a list of attention layers.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: for an empty list, or an entry that is no attention; when
            called, for a number of values that is not that of the attentions.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, BahdanauAttention, LuongAttention
    >>> attentions = [BahdanauAttention(8), LuongAttention()]
    >>> decoder = AttentionRNN(keras.layers.GRUCell(16), attentions)
    >>> text, image = np.ones((2, 5, 6)), np.ones((2, 3, 3, 4))
    >>> _, weights = decoder(np.ones((2, 7, 4)), [text, image], return_attention_scores=True)
    >>> [tuple(one.shape) for one in weights]
    [(2, 7, 5), (2, 7, 3, 3)]
    """

    def __init__(
        self,
        attentions: Sequence[AttentionMechanism | StepwiseMechanism],
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        if not attentions:
            raise ValueError(
                "attention: expected a keras_attention.Attention or a list of some, received "
                f"{attentions!r}."
            )
        for attention in attentions:
            as_mechanism(attention)
        self.attentions: list[Any] = list(attentions)
        self.supports_masking = True

    def build(self, query_shape: Shape, value_shape: Shapes) -> None:
        for attention, shape in zip(self.attentions, self._shapes(value_shape)):
            if not attention.built:
                attention.build(query_shape, shape)
                attention.built = True
        self.built = True

    def memory(
        self, value: Structure, key: Structure = None, mask: Structure = None
    ) -> tuple[Structure, ...]:
        """The memories of a list of values, or of one value for all attentions."""
        values = self._each(value)
        masks = self._each(mask) if isinstance(mask, (list, tuple)) else [mask] * len(values)
        return tuple(
            mechanism.memory(one, mask=its_mask)
            for mechanism, one, its_mask in zip(self._mechanisms(), values, masks)
        )

    def initial_state(self, memory: Structure) -> tuple[Structure, ...]:
        """The states, one per attention."""
        return tuple(m.initial_state(its) for m, its in zip(self._mechanisms(), memory))

    def noise(
        self, memory: Structure, steps: int | Tensor, training: bool = True
    ) -> tuple[Structure, ...]:
        """The noise, one per attention."""
        mechanisms = self._mechanisms()
        return tuple(m.noise(its, steps, training) for m, its in zip(mechanisms, memory))

    def step(
        self,
        query: Tensor,
        memory: Structure,
        state: Structure = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        """The joined contexts `(B, D)`, the weights and the next states."""
        return _joined(
            mechanism.step(query, its_memory, its_state, noise=its_noise)
            for mechanism, its_memory, its_state, its_noise in self._zipped(memory, state, noise)
        )

    def attend(
        self,
        query: Tensor,
        memory: Structure,
        state: Structure = None,
        query_mask: Tensor | None = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        """The joined contexts `(B, Tq, D)`, the weights and the last states."""
        return _joined(
            mechanism.attend(query, its_memory, its_state, query_mask=query_mask, noise=its_noise)
            for mechanism, its_memory, its_state, its_noise in self._zipped(memory, state, noise)
        )

    def context_size(self, value_size: int | Sequence[int]) -> int:
        """The features of the joined contexts, from the features of the values."""
        sizes = self._each(value_size)
        return sum(m.context_size(size) for m, size in zip(self._mechanisms(), sizes))

    def _mechanisms(self) -> list[AttentionMechanism]:
        return [as_mechanism(attention) for attention in self.attentions]

    def _zipped(self, memory: Structure, state: Structure, noise: Structure) -> Structure:
        nothing = (None,) * len(self.attentions)
        return zip(self._mechanisms(), memory, state or nothing, noise or nothing)

    def _each(self, value: Structure) -> list[Structure]:
        if not isinstance(value, (list, tuple)):
            return [value] * len(self.attentions)
        if len(value) != len(self.attentions):
            raise ValueError(
                f"value: expected one for each of {len(self.attentions)} attentions, or one for "
                f"all of them, received {len(value)}."
            )
        return list(value)

    def _shapes(self, shapes: Shapes) -> list[Structure]:
        several = isinstance(shapes[0], (list, tuple))
        return self._each(shapes) if several else [shapes] * len(self.attentions)

    def get_config(self) -> Config:
        attentions = [keras.saving.serialize_keras_object(one) for one in self.attentions]
        return {**super().get_config(), "attentions": attentions}

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: Mapping[str, Any] | None = None
    ) -> MultiSourceAttention:
        config = dict(config)
        config["attentions"] = [
            keras.saving.deserialize_keras_object(one, custom_objects=custom_objects)
            for one in config["attentions"]
        ]
        return super().from_config(config)


def _joined(found: Structure) -> tuple[Tensor, Structure, Structure]:
    contexts, weights, states = zip(*found)
    return ops.concatenate(contexts, axis=-1), weights, states
