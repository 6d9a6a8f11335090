"""Adaptive attention with a visual sentinel: a word can be predicted without the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention import normalizers, scores
from keras_attention._core.freezing import freeze_parts
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.memory import Memory
from keras_attention._core.structure import spec_of
from keras_attention._core.types import (
    Activation,
    Config,
    Constraint,
    Initializer,
    LayerOptions,
    Regularizer,
    Seed,
    Shape,
    Structure,
    Tensor,
)
from keras_attention.layers.attention import Attention
from keras_attention.layers.states import AttentionNoise, AttentionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.normalizers.registry import NormalizerIdentifier
    from keras_attention.scores.registry import ScoreIdentifier


class LSTMCellOptions(LayerOptions, total=False):
    """The arguments of `keras.layers.LSTMCell` besides `units`."""

    activation: Activation
    recurrent_activation: Activation
    use_bias: bool
    kernel_initializer: Initializer
    recurrent_initializer: Initializer
    bias_initializer: Initializer
    unit_forget_bias: bool
    kernel_regularizer: Regularizer
    recurrent_regularizer: Regularizer
    bias_regularizer: Regularizer
    kernel_constraint: Constraint
    recurrent_constraint: Constraint
    bias_constraint: Constraint
    dropout: float
    recurrent_dropout: float
    seed: Seed


@keras.saving.register_keras_serializable(package="keras_attention")
class SentinelCell(keras.layers.LSTMCell):
    """An LSTM cell that also outputs a visual sentinel, a gated view of its memory.

        h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})
        g_t      = sigmoid(W x_t + U h_{t-1})
        s_t      = g_t * tanh(c_t)
        output   = [h_t; s_t]                          (B, 2 * units)

    `SentinelAttention` attends to s_t together with the image. Dropout applies
    to the inputs of the LSTM and not to the gate g_t.

    Source: Lu et al., "Knowing When to Look: Adaptive Attention via a Visual
    Sentinel for Image Captioning", 2017.

    Args:
        units: the size of h, c and s.
        **kwargs: passed to `keras.layers.LSTMCell`.

    Call arguments:
        inputs: `(B, D)`.
        states: h and c, `(B, units)` each.
        training: whether to apply dropout.

    Returns:
        `[h; s]` `(B, 2 * units)`, and the next h and c.

    Raises:
        ValueError: if `units` is not positive.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> cell = vision.SentinelCell(8)
    >>> output, states = cell(np.ones((2, 4)), [np.zeros((2, 8))] * 2)
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 16), [(2, 8), (2, 8)])
    """

    def __init__(self, units: int, **kwargs: Unpack[LSTMCellOptions]) -> None:
        super().__init__(units, **kwargs)
        self.output_size = 2 * units

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.sentinel_kernel = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer.clone(),
            name="sentinel_kernel",
        )
        self.sentinel_recurrent_kernel = self.add_weight(
            shape=(self.units, self.units),
            initializer=self.recurrent_initializer.clone(),
            name="sentinel_recurrent_kernel",
        )

    def call(
        self, inputs: Tensor, states: list[Tensor], training: bool | None = False
    ) -> tuple[Tensor, list[Tensor]]:
        output, after = super().call(inputs, states, training=training)
        gate = ops.matmul(inputs, self.sentinel_kernel)
        gate = ops.sigmoid(gate + ops.matmul(states[0], self.sentinel_recurrent_kernel))
        sentinel = gate * self.activation(after[1])
        return ops.concatenate([output, sentinel], axis=-1), after


@keras.saving.register_keras_serializable(package="keras_attention")
class SentinelAttention(Attention):
    """An `Attention` to a memory and to a sentinel that is part of the query.

        [weights; beta] = normalizer([score(h, value); score(h, s)])
        context         = sum_j weights_j value_j + beta * s

    The query is `[h; s]`, the output of `SentinelCell`, so that this layer
    needs `AttentionRNN(..., attend="after")`. The sentinel's key is `W_s s`,
    with its own matrix. The returned weights are those of the memory only:
    beta is 1 minus their sum, the share of the sentinel. Masks limit the
    positions of the memory and not the sentinel, but if they leave a query no
    position, its context is zero.

    The paper adds h to the context before the logits, see
    `hidden_plus_context`, and projects the features to the size of the cell
    first, `relu(W a_j)`, which is a `Dense` before this layer.

    Source: Lu et al., "Knowing When to Look: Adaptive Attention via a Visual
    Sentinel for Image Captioning", 2017; the paper's score is `"additive"`.

    Args:
        score: as in `Attention`, but without a state.
        normalizer: as in `Attention`, but without a state, and not
            `HardSample("score_function")`: the returned weights do not show
            that the sentinel was sampled.
        dropout: as in `Attention`.
        seed: as in `Attention`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        As `Attention`, whose other methods it has too. The query has twice as
        many features as the value.

    Returns:
        As `Attention`.

    Raises:
        ValueError: if score or normalizer have a state, or if query and value
            do not have fitting sizes; else as `Attention`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import AttentionRNN, vision
    >>> decoder = AttentionRNN(
    ...     vision.SentinelCell(8),
    ...     vision.SentinelAttention("additive"),
    ...     input_feeding=False,
    ...     attention_fn=vision.hidden_plus_context,
    ... )
    >>> words, features = np.ones((2, 5, 4)), np.ones((2, 3, 3, 8))
    >>> outputs, maps = decoder(words, features, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(maps.shape)
    ((2, 5, 8), (2, 5, 3, 3))
    """

    def __init__(
        self,
        score: ScoreIdentifier,
        normalizer: NormalizerIdentifier = "softmax",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        dtype = kwargs.get("dtype")
        made = scores.get(score, dtype=dtype)
        _check_stateless("score", made, scores.Score)
        super().__init__(
            _SentinelScore(made, dtype=dtype), normalizer, dropout=dropout, seed=seed, **kwargs
        )
        _check_stateless("normalizer", self.normalizer, normalizers.Normalizer)
        if self.normalizer.detached:
            raise ValueError(
                "normalizer: expected one whose weights pass the context's gradient on, such as "
                f"HardSample('straight_through'), received {self.normalizer!r}."
            )

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        query_size, value_size = query_shape[-1], value_shape[-1]
        if query_size is not None and value_size is not None and query_size != 2 * value_size:
            raise ValueError(
                "query: expected [h; s], twice the features of the value, as SentinelCell returns "
                f"it (with attend='after'), received {query_size} features and a value of "
                f"{value_size}."
            )
        super().build(query_shape, value_shape, key_shape)

    def memory(
        self, value: Tensor, key: Tensor | None = None, mask: Tensor | None = None
    ) -> Memory:
        # One position more, which stands for the sentinel of each query.
        keys, values, mask = super().memory(value, key, mask)
        if mask is not None:
            mask = ops.concatenate([mask, ops.any(mask, axis=1, keepdims=True)], axis=1)
        one_more = [[0, 0], [0, 1], [0, 0]]
        return Memory(ops.pad(keys, one_more), ops.pad(values, one_more), mask)

    def _attend(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, Tensor, AttentionState]:
        if attention_mask is not None:
            # It has the positions of the value. A query has its sentinel if any of them is left.
            if memory.mask is not None:
                attention_mask = ops.logical_and(attention_mask, memory.mask[:, None, :-1])
            sentinel = ops.any(attention_mask, axis=-1, keepdims=True)
            attention_mask = ops.concatenate([attention_mask, sentinel], axis=-1)
        contexts, weights, state = super()._attend(
            query, memory, state, query_mask, attention_mask, noise
        )
        if query_mask is not None:
            # The padding may hold infinity or NaN, and zero times these is NaN.
            query = zero_where_masked(ops.cast(query_mask, "bool"), query)
        _, sentinel = _halves(query)
        weights, beta = weights[..., :-1], weights[..., -1:]
        if noise is not None and noise.dropout is not None:
            beta = beta * noise.dropout[..., -1:]
        return contexts + beta * sentinel, weights, state

    def get_config(self) -> Config:
        config = super().get_config()
        del config["window"]
        return {**config, "score": config["score"]["config"]["score"]}


@keras.saving.register_keras_serializable(package="keras_attention")
def hidden_plus_context(output: Tensor, context: Tensor) -> Tensor:
    """The attentional vector of Lu et al.: `a_t = h_t + context_t`, from the output `[h_t; s_t]`.

    For `AttentionRNN(SentinelCell(units), ..., attention_fn=hidden_plus_context)`.

    Source: Lu et al., "Knowing When to Look", 2017.

    Args:
        output: output of a `SentinelCell`, `(B, 2 * units)`.
        context: context of a `SentinelAttention`, `(B, units)`.

    Returns:
        `(B, units)`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> vision.hidden_plus_context(np.array([[1.0, 2.0, 8.0, 9.0]]), np.array([[3.0, 4.0]]))
    array([[4., 6.]])
    """
    return _halves(output)[0] + context


@keras.saving.register_keras_serializable(package="keras_attention")
class _SentinelScore(scores.Score):
    """A score of queries [h; s] whose last key stands for the sentinel s of each query."""

    def __init__(self, score: scores.Score, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.score = score

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        assert query_shape[-1] is not None
        size = query_shape[-1] // 2
        if not self.score.built:
            self.score.build((*query_shape[:-1], size), key_shape)
        key = keras.KerasTensor((None, None, key_shape[-1]), dtype=self.compute_dtype)
        self.sentinel_projection = keras.layers.Dense(
            spec_of(self.score.project_keys, key).shape[-1],
            use_bias=False,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="sentinel_projection",
        )
        self.sentinel_projection.build((None, size))
        freeze_parts(self, [self.score])
        self.built = True

    def project_query(self, query: Tensor) -> Tensor:
        hidden, sentinel = _halves(query)
        parts = self.score.project_query(hidden), self.sentinel_projection(sentinel)
        return ops.concatenate(parts, axis=-1)

    def project_keys(self, key: Tensor) -> Tensor:
        return self.score.project_keys(key)

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        size = keys.shape[-1]
        hidden, sentinel = query[..., :-size], query[..., -size:]
        positions = ops.shape(keys)[1]
        compared = self.score.compare(hidden, keys)
        # Each query is compared with its own sentinel: one query and one key per example.
        pairs = (ops.reshape(x, (-1, 1, x.shape[-1])) for x in (hidden, sentinel))
        own = ops.reshape(self.score.compare(*pairs), (*ops.shape(query)[:2], 1))
        return ops.where(ops.arange(positions) == positions - 1, own, compared)

    def get_config(self) -> Config:
        return {**super().get_config(), "score": keras.saving.serialize_keras_object(self.score)}


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    size = x.shape[-1] // 2
    return x[..., :size], x[..., size:]


def _check_stateless(
    name: str,
    part: scores.Score | normalizers.Normalizer,
    base: type[scores.Score] | type[normalizers.Normalizer],
) -> None:
    if type(part).initial_state is not base.initial_state:
        raise ValueError(
            f"{name}: expected one without a state, since earlier weights have no position for a "
            f"sentinel, received {part!r}."
        )
