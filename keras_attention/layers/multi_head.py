"""Multi-head attention over any score: the heads are a dimension of the tensors."""

import keras
from keras import ops

from keras_attention._core.checks import check_flag, check_positive
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.memory import Memory, flatten_positions
from keras_attention._core.structure import map_tensors
from keras_attention.layers.attention import Attention, AttentionState


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHeadAttention(Attention):
    """Attends several times at once, each time with projections of its own.

        head_h  = Attention(score, normalizer)(W_h query, V_h value, U_h key)
        context = O [head_1; head_2; ...] + b

    The heads share the score; what each compares are its own projections. With
    `"scaled_dot"` this is the attention of the Transformer, and the same as
    `keras.layers.MultiHeadAttention`. The heads are folded into the batch, so
    that any score and any normalizer works, those that look back too. Where
    everything is masked the context is zero, without the bias b.

    Source: Vaswani et al., "Attention Is All You Need", 2017.

    Args:
        num_heads: how many heads.
        key_dim: the size of each head's projected query and key.
        value_dim: the size of each head's projected value, by default
            `key_dim`.
        output_dim: the size of the context, by default the query's size.
        use_bias: whether the projections have biases.
        score, normalizer, window, dropout, seed: as in `Attention`, whose call
            this has.
        average_heads: whether the weights are the mean over the heads,
            `(B, Tq, Tk)`, as everything else here expects them; if not, they
            come as `(B, heads, Tq, Tk)`.

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
        num_heads,
        key_dim,
        value_dim=None,
        output_dim=None,
        use_bias=True,
        score="scaled_dot",
        normalizer="softmax",
        window=None,
        dropout=0.0,
        seed=None,
        average_heads=True,
        **kwargs,
    ):
        super().__init__(score, normalizer, window, dropout, seed, **kwargs)
        sizes = {"num_heads": num_heads, "key_dim": key_dim}
        sizes |= {"value_dim": value_dim, "output_dim": output_dim}
        for name, size in sizes.items():
            if size is not None or name in ("num_heads", "key_dim"):
                check_positive(name, size)
        check_flag("average_heads", average_heads)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = key_dim if value_dim is None else value_dim
        self.output_dim = output_dim
        self.use_bias = use_bias
        self.average_heads = average_heads

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        head = (None, None, self.key_dim)
        super().build(head, head)
        self._query_size, self._key_size = query_shape[-1], key_shape[-1]

        def projection(size, input_size, name):
            dense = keras.layers.Dense(
                size,
                use_bias=self.use_bias,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            dense.build((None, input_size))
            return dense

        keys, values = self.num_heads * self.key_dim, self.num_heads * self.value_dim
        output_size = query_shape[-1] if self.output_dim is None else self.output_dim
        self.query_heads = projection(keys, query_shape[-1], "query_heads")
        self.key_heads = projection(keys, key_shape[-1], "key_heads")
        self.value_heads = projection(values, value_shape[-1], "value_heads")
        self.output_projection = projection(output_size, values, "output_projection")
        self.built = True

    def memory(self, value, key=None, mask=None):
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        key = value if key is None else ops.convert_to_tensor(key, dtype=self.compute_dtype)
        value, key = flatten_positions(value), flatten_positions(key)
        folded = None
        if mask is not None:
            mask = flatten_positions(ops.cast(mask, "bool"), trailing=0)
            # What stands in the padding must not reach a gradient of the projections either.
            value, key = zero_where_masked(mask, value), zero_where_masked(mask, key)
            folded = ops.repeat(mask, self.num_heads, axis=0)
        heads = super().memory(
            self._heads(self.value_heads, value),
            self._heads(self.key_heads, key),
            folded,
        )
        return Memory(self._apart(heads.keys), self._apart(heads.values), mask)

    def initial_state(self, memory):
        return map_tensors(self._apart, super().initial_state(self._folded(memory)))

    def noise(self, memory, steps, training=True):
        def steps_first(drawn):
            return ops.swapaxes(self._apart(drawn), 1, 2)

        return map_tensors(steps_first, super().noise(self._folded(memory), steps, training))

    def context_size(self, value_size):
        if self.output_dim is None and not self.built:
            raise ValueError(
                "MultiHeadAttention is not built, so it does not know the size of its context, "
                "which is the query's. Give output_dim, or build it first."
            )
        return self._query_size if self.output_dim is None else self.output_dim

    def _attend(self, query, memory, state, query_mask, visible, noise):
        if state is None:
            state = self.initial_state(memory)
        asked = query_mask
        if query_mask is not None:
            query_mask = ops.cast(query_mask, "bool")
            query = zero_where_masked(query_mask, query)
            asked = ops.repeat(query_mask, self.num_heads, axis=0)
        contexts, weights, state = super()._attend(
            self._heads(self.query_heads, query),
            self._folded(memory),
            map_tensors(self._together, AttentionState(*state)),
            asked,
            visible,
            map_tensors(lambda drawn: self._together(ops.swapaxes(drawn, 1, 2)), noise),
        )
        joined = ops.transpose(self._apart(contexts), (0, 2, 1, 3))
        rows = ops.reshape(joined, (-1, self.num_heads * self.value_dim))
        rows = self.output_projection(rows)
        contexts = ops.reshape(rows, (*ops.shape(query)[:2], rows.shape[-1]))
        seen = query_mask
        if memory.mask is not None:
            anything = ops.any(memory.mask, axis=-1, keepdims=True)
            seen = anything if seen is None else ops.logical_and(seen, anything)
        if seen is not None:
            seen = ops.broadcast_to(seen, ops.shape(contexts)[:2])
        weights = self._apart(weights)
        weights = ops.mean(weights, axis=1) if self.average_heads else weights
        return zero_where_masked(seen, contexts), weights, map_tensors(self._apart, state)

    def _heads(self, projection, x):
        """`(B, T, D)`, projected, to `(B * heads, T, D')`."""
        # By rows: inside a loop XLA cannot differentiate a Dense at rank 3.
        rows = projection(ops.reshape(x, (-1, x.shape[-1])))
        size = (*ops.shape(x)[:2], self.num_heads, rows.shape[-1] // self.num_heads)
        return self._together(ops.transpose(ops.reshape(rows, size), (0, 2, 1, 3)))

    def _together(self, x):
        """`(B, heads, ...)` to `(B * heads, ...)`."""
        return ops.reshape(x, (-1, *ops.shape(x)[2:]))

    def _apart(self, x):
        """`(B * heads, ...)` to `(B, heads, ...)`."""
        return ops.reshape(x, (-1, self.num_heads, *ops.shape(x)[1:]))

    def _folded(self, memory):
        mask = None if memory.mask is None else ops.repeat(memory.mask, self.num_heads, axis=0)
        return Memory(self._together(memory.keys), self._together(memory.values), mask)

    def compute_output_spec(self, query, value, *args, return_attention_scores=False, **kwargs):
        found = super().compute_output_spec(
            query, value, *args, return_attention_scores=True, **kwargs
        )
        context, weights = found
        output_size = query.shape[-1] if self.output_dim is None else self.output_dim
        context = keras.KerasTensor((*query.shape[:-1], output_size), dtype=self.compute_dtype)
        if not self.average_heads:
            batch, *rest = weights.shape
            weights = keras.KerasTensor((batch, self.num_heads, *rest), dtype=weights.dtype)
        return (context, weights) if return_attention_scores else context

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        size = query_shape[-1] if self.output_dim is None else self.output_dim
        return (*query_shape[:-1], size)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_dim": self.output_dim,
            "use_bias": self.use_bias,
            "average_heads": self.average_heads,
        }
