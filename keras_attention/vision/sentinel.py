"""The visual sentinel: a word may be said from what is known already, without looking."""

import keras
from keras import ops

from keras_attention import normalizers, scores
from keras_attention._core.masks import combine_masks, zero_where_masked
from keras_attention._core.memory import Memory
from keras_attention._core.structure import spec_of
from keras_attention.layers.attention import Attention


@keras.saving.register_keras_serializable(package="keras_attention")
class SentinelCell(keras.layers.LSTMCell):
    """An LSTM cell that puts out, beside its output, a sentinel of what it remembers.

        h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})
        g_t      = sigmoid(W x_t + U h_{t-1})
        s_t      = g_t * tanh(c_t)
        output   = [h_t; s_t]                          (B, 2 * units)

    `SentinelAttention` attends to s_t beside the image. Dropout acts on what
    the LSTM reads, not on the gate g_t.

    Source: Lu et al., "Knowing When to Look: Adaptive Attention via a Visual
    Sentinel for Image Captioning", 2017.

    Args:
        units: the size of h, c and s.
        **kwargs: of `keras.layers.LSTMCell`.

    Call arguments:
        inputs: `(B, D)`.
        states: h and c, `(B, units)` each.
        training: whether dropout acts.

    Returns:
        `[h; s]` `(B, 2 * units)`, and the next h and c.

    Raises:
        ValueError: for `units` that are not positive.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> cell = vision.SentinelCell(8)
    >>> output, states = cell(np.ones((2, 4)), [np.zeros((2, 8))] * 2)
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 16), [(2, 8), (2, 8)])
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.output_size = 2 * units

    def build(self, input_shape):
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

    def call(self, inputs, states, training=False):
        output, after = super().call(inputs, states, training=training)
        gate = ops.matmul(inputs, self.sentinel_kernel)
        gate = ops.sigmoid(gate + ops.matmul(states[0], self.sentinel_recurrent_kernel))
        sentinel = gate * self.activation(after[1])
        return ops.concatenate([output, sentinel], axis=-1), after


@keras.saving.register_keras_serializable(package="keras_attention")
class SentinelAttention(Attention):
    """An `Attention` to a memory and, beside it, to a sentinel that comes with the query.

        [weights; beta] = normalizer([score(h, value); score(h, s)])
        context         = sum_j weights_j value_j + beta * s

    The query is `[h; s]`, as `SentinelCell` puts it out, so that this goes with
    `AttentionRNN(..., attend="after")`. The sentinel's key is `W_s s`, by a
    matrix of its own. The weights that are returned are those of the memory:
    what they lack to 1 is beta, how little the word needs the image. Where the
    whole memory is masked there is nothing to choose from, and the context is
    zero.

    The paper adds h to the context before the logits: see
    `hidden_plus_context`. It projects the features to the cell's size first,
    `relu(W a_j)`, which is a `Dense` before this layer.

    Source: Lu et al., "Knowing When to Look: Adaptive Attention via a Visual
    Sentinel for Image Captioning", 2017; the paper's score is `"additive"`.

    Args:
        score, normalizer: as in `Attention`, but none that looks back, and no
            `HardSample("score_function")`: the returned weights do not show
            that the sentinel was drawn.
        dropout, seed: as in `Attention`, whose call, memory and noise this has.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        As `Attention`; the query has twice as many features as the value.

    Returns:
        As `Attention`.

    Raises:
        ValueError: for a score or normalizer that does not fit, and sizes other
            than these; else as `Attention`.

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

    def __init__(self, score, normalizer="softmax", dropout=0.0, seed=None, **kwargs):
        dtype = kwargs.get("dtype")
        score = scores.get(score, dtype=dtype)
        _refuse_looking_back("score", score, scores.Score)
        super().__init__(
            _SentinelScore(score, dtype=dtype), normalizer, dropout=dropout, seed=seed, **kwargs
        )
        _refuse_looking_back("normalizer", self.normalizer, normalizers.Normalizer)
        if self.normalizer.detached:
            raise ValueError(
                "normalizer: expected one whose weights pass the context's gradient on, such as "
                f"HardSample('straight_through'), received {self.normalizer!r}."
            )

    def build(self, query_shape, value_shape, key_shape=None):
        if query_shape[-1] != 2 * value_shape[-1]:
            raise ValueError(
                "query: expected [h; s], twice the features of the value, as SentinelCell puts it "
                f"out (with attend='after'), received {query_shape[-1]} features over a value of "
                f"{value_shape[-1]}."
            )
        super().build(query_shape, value_shape, key_shape)

    def memory(self, value, key=None, mask=None):
        # With one place more, which every query fills with its own sentinel.
        keys, values, mask = super().memory(value, key, mask)
        if mask is not None:
            mask = ops.concatenate([mask, ops.any(mask, axis=1, keepdims=True)], axis=1)
        place = [[0, 0], [0, 1], [0, 0]]
        return Memory(ops.pad(keys, place), ops.pad(values, place), mask)

    def _attend(self, query, memory, state, query_mask, visible, noise):
        if visible is not None:
            # Where the whole memory is masked, the sentinel is masked too.
            mask = None if memory.mask is None else ops.expand_dims(memory.mask[:, :-1], 1)
            anything = ops.any(combine_masks(visible, mask), axis=-1, keepdims=True)
            visible = ops.broadcast_to(visible, (ops.shape(anything)[0], *ops.shape(visible)[1:]))
            visible = ops.concatenate([visible, anything], axis=-1)
        contexts, weights, state = super()._attend(query, memory, state, query_mask, visible, noise)
        if query_mask is not None:
            # Zero times the infinity or NaN of some padding would still be NaN.
            query = zero_where_masked(ops.cast(query_mask, "bool"), query)
        _, sentinel = _halves(query)
        weights, beta = weights[..., :-1], weights[..., -1:]
        if noise is not None and noise.dropout is not None:
            beta = beta * noise.dropout[..., -1:]
        return contexts + beta * sentinel, weights, state

    def get_config(self):
        config = super().get_config()
        del config["window"]
        return {**config, "score": config["score"]["config"]["score"]}


@keras.saving.register_keras_serializable(package="keras_attention")
def hidden_plus_context(output, context):
    """Lu's attentional vector: `a_t = h_t + context_t`, of the output `[h_t; s_t]`.

    For `AttentionRNN(SentinelCell(units), ..., attention_fn=hidden_plus_context)`.

    Source: Lu et al., "Knowing When to Look", 2017.

    Args:
        output: of a `SentinelCell`, `(B, 2 * units)`.
        context: of a `SentinelAttention`, `(B, units)`.

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
    """A score of queries [h; s], in which each finds its own sentinel behind the last key."""

    def __init__(self, score, **kwargs):
        super().__init__(**kwargs)
        self.score = score

    def build(self, query_shape, key_shape):
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
        if not self.trainable:
            self.score.trainable = False
        self.built = True

    def project_query(self, query):
        hidden, sentinel = _halves(query)
        parts = self.score.project_query(hidden), self.sentinel_projection(sentinel)
        return ops.concatenate(parts, axis=-1)

    def project_keys(self, key):
        return self.score.project_keys(key)

    def compare(self, query, keys):
        size = keys.shape[-1]
        hidden, sentinel = query[..., :-size], query[..., -size:]
        places = ops.shape(keys)[1]
        found = self.score.compare(hidden, keys)
        # Each query with its one sentinel: all of them as rows.
        rows = (ops.reshape(x, (-1, 1, x.shape[-1])) for x in (hidden, sentinel))
        own = ops.reshape(self.score.compare(*rows), (*ops.shape(query)[:2], 1))
        return ops.where(ops.arange(places) == places - 1, own, found)

    def get_config(self):
        return {**super().get_config(), "score": keras.saving.serialize_keras_object(self.score)}


def _halves(x):
    size = x.shape[-1] // 2
    return x[..., :size], x[..., size:]


def _refuse_looking_back(name, part, base):
    if type(part).initial_state is not base.initial_state:
        raise ValueError(
            f"{name}: expected one that looks back on no earlier weights, in which a sentinel has "
            f"no place, received {part!r}."
        )
