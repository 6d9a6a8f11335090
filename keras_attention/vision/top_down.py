"""TopDownRNN: a decoder of two cells, one that attends and one that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from keras_attention._core.checks import check_features
from keras_attention._core.protocols import AttentionMechanism, StepwiseMechanism, as_mechanism
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.states import AttentionRNNState
from keras_attention.vision.positions import mean_over_positions

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class TopDownRNN(AttentionRNN):
    """An `AttentionRNN` with an attention cell and, above it, a language cell.

        h1_t      = cell([x_t; h2_{t-1}; mean], h1_{t-1})
        context_t = attention(h1_t, memory)
        h2_t      = language_cell([h1_t; context_t], h2_{t-1})

    The output is h2_t. The mean is taken over the unmasked positions of the
    value, once per sequence. The paper concatenates the inputs of the cells in
    another order, `[h2; mean; x]` and `[context; h1]`, which permutes the rows
    of the kernels.

    Source: Anderson et al., "Bottom-Up and Top-Down Attention for Image
    Captioning and Visual Question Answering", 2018: LSTM cells, additive
    attention without a gate, and the regions of a detector as the value.

    Args:
        cell: the lower cell, whose output is the query.
        attention: an attention layer, such as `Attention`.
        language_cell: the upper cell.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        As `AttentionRNN`, whose steps and memory it has too. An initial state
        is that of the lower cell followed by that of the upper cell.

    Returns:
        As `AttentionRNN`: h2 `(B, T, units)`, and on request the weights and
        the last state.

    Raises:
        ValueError: as `AttentionRNN`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import BahdanauAttention, vision
    >>> lower, upper = keras.layers.LSTMCell(16), keras.layers.LSTMCell(12)
    >>> decoder = vision.TopDownRNN(lower, BahdanauAttention(8), upper)
    >>> words, regions = np.ones((2, 5, 4)), np.ones((2, 36, 8))
    >>> outputs, weights = decoder(words, regions, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(weights.shape)
    ((2, 5, 12), (2, 5, 36))
    """

    def __init__(
        self,
        cell: keras.layers.Layer,
        attention: AttentionMechanism | StepwiseMechanism,
        language_cell: keras.layers.Layer,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        with_mean = _WithMean(attention, dtype=kwargs.get("dtype"), name="with_mean")
        super().__init__(cell, with_mean, upper_cells=[language_cell], **_FIXED, **kwargs)

    def build(self, sequence_shape: Shape, value_shape: Structure) -> None:
        check_features(sequence=sequence_shape, value=value_shape)
        size: Any = sequence_shape[-1]
        super().build((*sequence_shape[:-1], size + value_shape[-1]), value_shape)
        self._sequence_size = size

    def _step(
        self,
        inputs: Tensor,
        memory: Structure,
        state: AttentionRNNState,
        training: bool | None,
        noise: Structure,
        beams: int = 1,
    ) -> tuple[Tensor, Tensor, Structure, AttentionRNNState]:
        mean = memory.mean if beams == 1 else ops.repeat(memory.mean, beams, axis=0)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        joined = ops.concatenate([inputs, ops.cast(mean, self.compute_dtype)], axis=-1)
        return super()._step(joined, memory, state, training, noise, beams)

    def get_config(self) -> Config:
        config = super().get_config()
        (config["language_cell"],) = config.pop("upper_cells")
        config["attention"] = config["attention"]["config"]["attention"]
        return {name: part for name, part in config.items() if name not in _FIXED}

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: Mapping[str, Any] | None = None
    ) -> TopDownRNN:
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("cell", "attention", "language_cell")
        }
        return cls(**{**config, **parts})


@keras.saving.register_keras_serializable(package="keras_attention")
def _output_alone(output: Tensor, context: Tensor) -> Tensor:
    return output


# The arguments of `AttentionRNN` that make it a top-down decoder.
_FIXED: dict[str, Any] = {
    "attend": "after",
    "input_feeding": True,
    "attention_layer": None,
    "attention_fn": _output_alone,
    "output_attention": True,
}


class _MeanMemory(NamedTuple):
    """The memory of an attention, and the mean `(B, D)` of its values."""

    memory: Structure
    mean: Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class _WithMean(QuantizedParts):
    """An attention whose memory also has the mean of the values."""

    def __init__(
        self, attention: AttentionMechanism | StepwiseMechanism, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        # Refuses what is no attention. It is kept as it is, so that Keras tracks and saves it.
        as_mechanism(attention)
        self.attention: Any = attention

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        if not self.attention.built:
            self.attention.build(query_shape, value_shape)
            self.attention.built = True
        self.built = True

    def memory(
        self, value: Structure, key: Structure = None, mask: Structure = None
    ) -> _MeanMemory:
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        mean = ops.cast(mean_over_positions(value, mask), self.compute_dtype)
        return _MeanMemory(as_mechanism(self.attention).memory(value, key, mask), mean)

    def initial_state(self, memory: _MeanMemory) -> Structure:
        return as_mechanism(self.attention).initial_state(memory.memory)

    def noise(self, memory: _MeanMemory, steps: int | Tensor, training: bool = True) -> Structure:
        return as_mechanism(self.attention).noise(memory.memory, steps, training)

    def step(
        self,
        query: Tensor,
        memory: _MeanMemory,
        state: Structure = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        return as_mechanism(self.attention).step(query, memory.memory, state, noise)

    def attend(
        self,
        query: Tensor,
        memory: _MeanMemory,
        state: Structure = None,
        query_mask: Tensor | None = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        mechanism = as_mechanism(self.attention)
        return mechanism.attend(query, memory.memory, state, query_mask, noise)

    def context_size(self, value_size: int | list[int]) -> int:
        return as_mechanism(self.attention).context_size(value_size)

    def get_config(self) -> Config:
        attention = keras.saving.serialize_keras_object(self.attention)
        return {**super().get_config(), "attention": attention}

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: Mapping[str, Any] | None = None
    ) -> _WithMean:
        attention = keras.saving.deserialize_keras_object(
            config["attention"], custom_objects=custom_objects
        )
        return cls(**{**config, "attention": attention})
