"""Attention = score + mask + normalizer + weighted sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention import normalizers, scores, windows
from keras_attention._core.checks import (
    check_call,
    check_features,
    check_rate,
    check_size,
    score_dtype,
)
from keras_attention._core.freezing import freeze_parts
from keras_attention._core.masks import causal_mask, combine_masks, zero_where_masked
from keras_attention._core.memory import Memory, flatten_positions, unflatten_positions
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.layers.attention_arguments import check_attention_call, check_step
from keras_attention.layers.attention_weights import Axes
from keras_attention.layers.states import AttentionNoise, AttentionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.normalizers.registry import NormalizerIdentifier
    from keras_attention.scores.registry import ScoreIdentifier
    from keras_attention.windows import WindowIdentifier


@keras.saving.register_keras_serializable(package="keras_attention")
class Attention(QuantizedParts):
    """Attends to a memory: scores its keys, normalizes, and sums its values by weight.

        scores  = score(query, key)              (B, Tq, Tk)
        weights = normalizer(scores, mask)       (B, Tq, Tk), 0 where masked
        context = weights @ value                (B, Tq, Dv)

    Any score works with any normalizer and any window. Scores and weights are
    computed in at least float32. If all positions of a query are masked, its
    weights and its context are zero. With a score or normalizer that has a
    state, queries run one after the other, else all at once.

    The layer has three interfaces to one computation: calling it on all
    queries; `memory()`, which projects the keys once; and `step()`, one query
    at a time, for recurrent layers and decoding.

    Source: Bahdanau, Cho and Bengio, 2015; Luong, Pham and Manning, 2015.

    Args:
        score: a name (see `keras_attention.scores.get`) or a `Score`.
        normalizer: a name (see `keras_attention.normalizers.get`) or a
            `Normalizer`.
        window: a `keras_attention.windows.Window`, which limits the positions
            of each query, or None.
        dropout: the fraction of the weights to drop while training.
        seed: of the dropout.
        **kwargs: of `keras.layers.Layer` (`name`, `dtype`, `trainable`).

    Call arguments:
        query: `(B, Tq, Dq)`, or one step `(B, Dq)`.
        value: `(B, Tk, Dv)`, or a feature map `(B, H, W, Dv)`, which has H*W
            positions.
        key: compared with the query, by default the value: `(B, Tk, Dk)` or
            `(B, H, W, Dk)`.
        query_mask: `(B, Tq)`, True for real queries; the context of the others
            is zero. In the functional API Keras fills it in.
        value_mask: `(B, Tk)` or `(B, H, W)`, True for real positions. In the
            functional API Keras fills it in.
        return_attention_scores: whether to return the weights too.
        use_causal_mask: whether query i attends only to the positions up to i.
        training: whether dropout is active.
        key_mask: as `value_mask`; a position is real if both are True. In the
            functional API Keras fills it in.
        attention_mask: `(B, Tq, Tk)` or `(B, Tq, H, W)`, True where a query
            may attend to a position; without Tq for one step. It acts together
            with the other masks.

    Returns:
        The context `(B, Tq, Dv)`, or `(B, Dv)` for one step; and on request
        the weights `(B, Tq, Tk)`, for feature maps `(B, Tq, H, W)`.

    Raises:
        ValueError: for an unknown score, normalizer or window, ranks, sizes or
            masks that do not fit, and empty input.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> attention = Attention("scaled_dot")
    >>> query, value = np.ones((2, 3, 8)), np.ones((2, 5, 8))
    >>> context, weights = attention(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 3, 8), (2, 3, 5))
    """

    def __init__(
        self,
        score: ScoreIdentifier,
        normalizer: NormalizerIdentifier = "softmax",
        window: WindowIdentifier = None,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        dropout = check_rate("dropout", dropout)
        # Parts that are created here, from a name, have the policy of this layer.
        self.score = scores.get(score, dtype=self.dtype_policy)
        self.normalizer = normalizers.get(normalizer, dtype=self.dtype_policy)
        self.window = windows.get(window, dtype=self.dtype_policy)
        self.dropout = dropout
        self.seed = seed
        if dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self._query_size: int | None = None
        self._key_size: int | None = None

    def __call__(self, *args: Structure, **kwargs: Structure) -> Structure:
        check_call(args, kwargs, "query", "value")
        return super().__call__(*args, **kwargs)

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        check_features(query=query_shape, value=value_shape, key=key_shape)
        # Parts that were loaded with their weights are built already.
        if not self.score.built:
            self.score.build((None, None, query_shape[-1]), (None, None, key_shape[-1]))
        if not self.normalizer.built:
            self.normalizer.build((None, None, None))
        if self.window is not None and not self.window.built:
            self.window.build((None, None, query_shape[-1]))
        self._query_size, self._key_size = query_shape[-1], key_shape[-1]
        freeze_parts(self, (self.score, self.normalizer, self.window))
        self.built = True

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Structure:
        self._check(
            query, value, key, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        if key_mask is not None:
            masks = (value_mask, key_mask)
            value_mask = combine_masks(
                *(None if mask is None else ops.cast(mask, "bool") for mask in masks)
            )
        memory = self.memory(value, key, value_mask)
        single = len(query.shape) == 2
        if single:
            query = ops.expand_dims(query, 1)
            query_mask = None if query_mask is None else ops.reshape(query_mask, (-1, 1))

        mask = None
        if attention_mask is not None:
            mask = ops.cast(attention_mask, "bool")
            mask = ops.reshape(mask, (ops.shape(query)[0], ops.shape(query)[1], -1))
        if use_causal_mask:
            causal = causal_mask(ops.shape(query)[1], ops.shape(value)[1])
            mask = combine_masks(mask, causal)
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        noise = self.noise(memory, ops.shape(query)[1], training)
        context, weights, _ = self._attend(query, memory, None, query_mask, mask, noise)
        if single:
            context, weights = ops.squeeze(context, 1), ops.squeeze(weights, -2)
        if return_attention_scores:
            return context, unflatten_positions(weights, value)
        return context

    def memory(
        self, value: Tensor, key: Tensor | None = None, mask: Tensor | None = None
    ) -> Memory:
        """Projects the keys once, for any number of steps.

        Args:
            value: `(B, Tk, Dv)` or a feature map `(B, H, W, Dv)`.
            key: by default the value.
            mask: `(B, Tk)` or `(B, H, W)`, True for real positions.

        Returns:
            A `Memory`.

        Raises:
            ValueError: if the layer is not built yet. Call it once, or call
                `build(query_shape, value_shape)`.
        """
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} is not built, so it does not know the query's size yet. "
                "Call the layer once, or layer.build(query_shape, value_shape), before "
                "layer.memory(value)."
            )
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        if key is not None:
            key = flatten_positions(ops.convert_to_tensor(key, dtype=self.compute_dtype))
        value = flatten_positions(value)
        if mask is not None:
            mask = flatten_positions(ops.cast(mask, "bool"), trailing=0)
            value = zero_where_masked(mask, value)
            key = None if key is None else zero_where_masked(mask, key)
        projected = self.score.project_keys(value if key is None else key)
        return Memory(ops.cast(projected, score_dtype(self.compute_dtype)), value, mask)

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure = None,
        query_mask: Tensor | None = None,
        noise: AttentionNoise | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """Attends with all queries at once.

        Args:
            query: `(B, Tq, Dq)`.
            memory: from `memory()`.
            state: the state before the first query; by default
                `initial_state(memory)`.
            query_mask: `(B, Tq)`, True for real queries. The others get zeros
                and leave the state as it is.
            noise: from `noise()`.
            attention_mask: `(B, Tq, Tk)`, True where a query may attend to a
                (flattened) position.

        Returns:
            The contexts `(B, Tq, Dv)`, the weights `(B, Tq, Tk)` (over the
            flattened positions of a feature map) and the last state.

        Raises:
            ValueError: if the query or the state has another batch size than
                the memory.
        """
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        check_step(query, memory.keys, state)
        if attention_mask is not None:
            attention_mask = ops.cast(attention_mask, "bool")
        return self._attend(query, memory, state, query_mask, attention_mask, noise)

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure = None,
        noise: AttentionNoise | None = None,
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """Attends with one query.

        Args:
            query: `(B, Dq)`.
            memory: from `memory()`.
            state: from the previous step; by default `initial_state(memory)`.
            noise: one step of the result of `noise()`.

        Returns:
            The context `(B, Dv)`, the weights `(B, Tk)` (over the flattened
            positions of a feature map) and the next state.

        Raises:
            ValueError: if the query or the state has another batch size than
                the memory.
        """
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        check_step(query, memory.keys, state)
        query = ops.expand_dims(query, 1)
        noise = map_tensors(lambda numbers: ops.expand_dims(numbers, 1), noise)
        context, weights, state = self._attend(query, memory, state, None, None, noise)
        return ops.squeeze(context, 1), ops.squeeze(weights, -2), state

    def initial_state(self, memory: Memory) -> AttentionState:
        """The state before the first step: an `AttentionState`, with `()` if stateless."""
        return self._axes().initial_state(memory)

    def noise(
        self, memory: Memory, steps: int | Tensor, training: bool | None = True
    ) -> AttentionNoise | None:
        """Samples all random numbers for a sequence of `steps` queries.

        This runs outside the loop of a recurrent layer, since random numbers inside it are not
        reproducible on every backend.

        Returns:
            An `AttentionNoise` whose tensors are `(B, steps, Tk)`, or None if
            nothing is random.
        """
        if not training:
            return None
        shape = (ops.shape(memory.keys)[0], steps, ops.shape(memory.keys)[1])
        numbers = self.normalizer.noise(shape, memory.keys.dtype)
        dropped = None
        if self.dropout:
            ones = ops.ones(shape, dtype=self.compute_dtype)
            dropped = keras.random.dropout(ones, self.dropout, seed=self.seed_generator)
        return None if numbers is None and dropped is None else AttentionNoise(numbers, dropped)

    def context_size(self, value_size: int) -> int:
        """The features of a context over values of `value_size` features."""
        return value_size

    def _axes(self) -> Axes:
        return Axes(self.score, self.normalizer, self.window)

    def _attend(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """As `attend`; the batch of `attention_mask` may be 1, for all examples alike."""
        state = self.initial_state(memory) if state is None else AttentionState(*state)
        if query_mask is not None:
            query_mask = ops.cast(query_mask, "bool")
            # Values in the padding must not reach a gradient either.
            query = zero_where_masked(query_mask, query)
        # At rank 2, since XLA cannot differentiate a Dense of rank 3 inside a loop.
        flat = ops.reshape(query, (-1, query.shape[-1]))
        projected = ops.cast(self.score.project_query(flat), memory.keys.dtype)
        projected = ops.reshape(projected, (*ops.shape(query)[:2], projected.shape[-1]))
        weights, state = self._axes().weights(
            query, projected, memory, state, query_mask, attention_mask, noise
        )
        weights = ops.cast(weights, memory.values.dtype)
        factors = ops.stop_gradient(weights) if self.normalizer.detached else weights
        if noise is not None and noise.dropout is not None:
            factors = factors * noise.dropout
        return ops.matmul(factors, memory.values), weights, state

    def _check(self, query: Tensor, value: Tensor, key: Tensor | None, *others: Structure) -> None:
        check_attention_call(query, value, key, *others)
        if self.built:
            check_size("query", query, self._query_size)
            name, compared = ("value", value) if key is None else ("key", key)
            check_size(name, compared, self._key_size)

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Structure:
        self._check(
            query, value, key, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        shape = self.compute_output_shape(query.shape, value.shape)
        context = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return context
        shape = self._weights_shape(query.shape, value.shape)
        return context, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def _weights_shape(self, query_shape: Shape, value_shape: Shape) -> Shape:
        return (*query_shape[:-1], *value_shape[1:-1])

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        return (*query_shape[:-1], value_shape[-1])

    def compute_mask(self, query: Tensor, previous_mask: Structure = None) -> Structure:
        # A context has the position of its query.
        return previous_mask

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "normalizer": keras.saving.serialize_keras_object(self.normalizer),
            "window": keras.saving.serialize_keras_object(self.window),
            "dropout": self.dropout,
            "seed": self.seed,
        }
