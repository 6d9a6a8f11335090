"""Multi-head attention over any score: the heads are a dimension of the tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import check_features, check_flag, check_positive
from keras_attention._core.masks import combine_masks, zero_where_masked
from keras_attention._core.memory import Memory, flatten_positions
from keras_attention._core.renamed import present_names
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import (
    Config,
    Constraint,
    Initializer,
    LayerOptions,
    Regularizer,
    Shape,
    Structure,
    Tensor,
)
from keras_attention._core.weight_options import WeightOptions
from keras_attention.layers.attention import Attention
from keras_attention.layers.states import AttentionNoise, AttentionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.normalizers.registry import NormalizerIdentifier
    from keras_attention.scores.registry import ScoreIdentifier
    from keras_attention.windows import WindowIdentifier


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHeadAttention(Attention):
    """Several attentions at once, each with its own projections of query, key and value.

        head_h  = Attention(score, normalizer)(W_h query, V_h value, U_h key)
        context = O [head_1; head_2; ...] + b

    The heads share the score and compare projections of their own. With
    `"scaled_dot"` this is the attention of the Transformer, and the same as
    `keras.layers.MultiHeadAttention`. The heads are folded into the batch, so
    any score and any normalizer works, also those with a state. If all
    positions of a query are masked its context is zero, without the bias b.

    Source: Vaswani et al., "Attention Is All You Need", 2017.

    Args:
        num_heads: the number of heads.
        key_dim: the size of each head's projected query and key.
        value_dim: the size of each head's projected value, by default
            `key_dim`.
        output_shape: the size of the context, by default the query's size.
        use_bias: whether the projections have biases.
        score, normalizer, window, dropout, seed: as in `Attention`, whose call
            this has.
        average_heads: whether the returned weights are the mean over the
            heads, `(B, Tq, Tk)`; if not, they are `(B, heads, Tq, Tk)`.
        kernel_initializer, bias_initializer: of the projections.
        kernel_regularizer, bias_regularizer: of the projections.
        kernel_constraint, bias_constraint: of the projections.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: for sizes that are not positive; else as `Attention`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import MultiHeadAttention
    >>> attention = MultiHeadAttention(num_heads=2, key_dim=3, score="additive")
    >>> query, value = np.ones((2, 3, 8)), np.ones((2, 5, 6))
    >>> context, weights = attention(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 3, 8), (2, 3, 5))
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        output_shape: int | tuple[int] | None = None,
        use_bias: bool = True,
        score: ScoreIdentifier = "scaled_dot",
        normalizer: NormalizerIdentifier = "softmax",
        window: WindowIdentifier = None,
        dropout: float = 0.0,
        seed: int | None = None,
        average_heads: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(score, normalizer, window, dropout, seed, **kwargs)
        self.num_heads = check_positive("num_heads", num_heads)
        self.key_dim = check_positive("key_dim", key_dim)
        self.value_dim = self.key_dim
        if value_dim is not None:
            self.value_dim = check_positive("value_dim", value_dim)
        if isinstance(output_shape, (tuple, list)) and len(output_shape) == 1:
            (output_shape,) = output_shape
        if output_shape is not None:
            output_shape = check_positive("output_shape", output_shape)
        # Not self.output_shape, by which Keras means the shape of a layer's result.
        self._output_size = output_shape
        self.use_bias = use_bias
        self.average_heads = check_flag("average_heads", average_heads)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._bias = WeightOptions("bias", bias_initializer, bias_regularizer, bias_constraint)

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        check_features(query=query_shape, value=value_shape, key=key_shape)
        head = (None, None, self.key_dim)
        super().build(head, head)
        self._query_size, self._key_size = query_shape[-1], key_shape[-1]
        keys, values = self.num_heads * self.key_dim, self.num_heads * self.value_dim
        output_size = self.context_size(value_shape[-1])
        self.query_heads = self._projection(keys, query_shape[-1], "query_heads")
        self.key_heads = self._projection(keys, key_shape[-1], "key_heads")
        self.value_heads = self._projection(values, value_shape[-1], "value_heads")
        self.output_projection = self._projection(output_size, values, "output_projection")
        self.built = True

    def _projection(self, size: int, input_size: int | None, name: str) -> keras.layers.Dense:
        dense = keras.layers.Dense(
            size,
            use_bias=self.use_bias,
            **self._kernel.for_dense(),
            **self._bias.for_dense(),
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name=name,
        )
        dense.build((None, input_size))
        return dense

    def memory(
        self, value: Tensor, key: Tensor | None = None, mask: Tensor | None = None
    ) -> Memory:
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        key = value if key is None else ops.convert_to_tensor(key, dtype=self.compute_dtype)
        value, key = flatten_positions(value), flatten_positions(key)
        folded = None
        if mask is not None:
            mask = flatten_positions(ops.cast(mask, "bool"), trailing=0)
            # Values in the padding must not reach a gradient of the projections either.
            value, key = zero_where_masked(mask, value), zero_where_masked(mask, key)
            folded = ops.repeat(mask, self.num_heads, axis=0)
        heads = super().memory(
            self._heads(self.value_heads, value),
            self._heads(self.key_heads, key),
            folded,
        )
        return Memory(self._unfold(heads.keys), self._unfold(heads.values), mask)

    def initial_state(self, memory: Memory) -> AttentionState:
        return map_tensors(self._unfold, super().initial_state(self._folded(memory)))

    def noise(
        self, memory: Memory, steps: int | Tensor, training: bool | None = True
    ) -> AttentionNoise | None:
        def steps_first(numbers: Tensor) -> Tensor:
            return ops.swapaxes(self._unfold(numbers), 1, 2)

        return map_tensors(steps_first, super().noise(self._folded(memory), steps, training))

    def context_size(self, value_size: int | None) -> int:
        if self._output_size is not None:
            return self._output_size
        if self._query_size is None:
            raise ValueError(
                "MultiHeadAttention is not built, so it does not know the size of its context, "
                "which is the query's. Give output_shape, or build it first."
            )
        return self._query_size

    def _attend(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, Tensor, AttentionState]:
        if state is None:
            state = self.initial_state(memory)
        if query_mask is not None:
            query_mask = ops.cast(query_mask, "bool")
            query = zero_where_masked(query_mask, query)
        contexts, weights, state = super()._attend(
            self._heads(self.query_heads, query),
            self._folded(memory),
            map_tensors(self._fold, AttentionState(*state)),
            None if query_mask is None else ops.repeat(query_mask, self.num_heads, axis=0),
            self._repeated(attention_mask),
            map_tensors(lambda numbers: self._fold(ops.swapaxes(numbers, 1, 2)), noise),
        )
        joined = ops.transpose(self._unfold(contexts), (0, 2, 1, 3))
        flat = ops.reshape(joined, (-1, self.num_heads * self.value_dim))
        flat = self.output_projection(flat)
        contexts = ops.reshape(flat, (*ops.shape(query)[:2], flat.shape[-1]))
        kept = combine_masks(query_mask, self._any_position(memory.mask, attention_mask))
        if kept is not None:
            kept = ops.broadcast_to(kept, ops.shape(contexts)[:2])
        weights = self._unfold(weights)
        weights = ops.mean(weights, axis=1) if self.average_heads else weights
        return zero_where_masked(kept, contexts), weights, map_tensors(self._unfold, state)

    def _any_position(self, mask: Tensor | None, attention_mask: Tensor | None) -> Tensor | None:
        """Whether a query may attend to any position at all, `(B or 1, Tq or 1)`, or None."""
        mask = None if mask is None else ops.expand_dims(mask, 1)
        mask = combine_masks(mask, attention_mask)
        return None if mask is None else ops.any(mask, axis=-1)

    def _heads(self, projection: keras.layers.Dense, x: Tensor) -> Tensor:
        """`(B, T, D)`, projected, to `(B * heads, T, D')`."""
        # At rank 2, since XLA cannot differentiate a Dense of rank 3 inside a loop.
        flat = projection(ops.reshape(x, (-1, x.shape[-1])))
        size = (*ops.shape(x)[:2], self.num_heads, flat.shape[-1] // self.num_heads)
        return self._fold(ops.transpose(ops.reshape(flat, size), (0, 2, 1, 3)))

    def _fold(self, x: Tensor) -> Tensor:
        """`(B, heads, ...)` to `(B * heads, ...)`."""
        return ops.reshape(x, (-1, *ops.shape(x)[2:]))

    def _unfold(self, x: Tensor) -> Tensor:
        """`(B * heads, ...)` to `(B, heads, ...)`."""
        return ops.reshape(x, (-1, self.num_heads, *ops.shape(x)[1:]))

    def _repeated(self, mask: Tensor | None) -> Tensor | None:
        """A mask `(B, ...)` as `(B * heads, ...)`; one of batch 1 broadcasts as it is."""
        if mask is None or mask.shape[0] == 1:
            return mask
        return ops.repeat(mask, self.num_heads, axis=0)

    def _folded(self, memory: Memory) -> Memory:
        mask = None if memory.mask is None else ops.repeat(memory.mask, self.num_heads, axis=0)
        return Memory(self._fold(memory.keys), self._fold(memory.values), mask)

    def _weights_shape(self, query_shape: Shape, value_shape: Shape) -> Shape:
        batch, *rest = super()._weights_shape(query_shape, value_shape)
        return (batch, *rest) if self.average_heads else (batch, self.num_heads, *rest)

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        size = query_shape[-1] if self._output_size is None else self._output_size
        return (*query_shape[:-1], size)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_shape": self._output_size,
            "use_bias": self.use_bias,
            "average_heads": self.average_heads,
            **self._kernel.get_config(),
            **self._bias.get_config(),
        }

    @classmethod
    def from_config(cls, config: Config) -> MultiHeadAttention:
        return super().from_config(present_names("MultiHeadAttention", config))
