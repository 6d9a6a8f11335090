"""Pooling a sequence into one vector by attention with learned queries."""

import keras
from keras import ops

from keras_attention import scores
from keras_attention._core.checks import (
    check_features,
    check_flag,
    check_number,
    check_positive,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention.layers.attention import Attention
from keras_attention.losses import redundancy_loss


class _Pooling(keras.layers.Layer):
    """Learned queries that attend to a sequence: to a projection of it, or by a score of its own.

    Where no score is given, the sequence is compared as `act(W h + b)` with the
    queries themselves: the dot product of the two is v . act(W h + b).
    """

    def __init__(self, queries, units, score, activation, use_bias, attention, **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_positive("units", units)
        check_flag("use_bias", use_bias)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self._queries = queries
        self._score_name = score if isinstance(score, str) else None
        compares = scores.get("dot" if score is None else score, dtype=self.dtype_policy)
        self._projects = score is None
        self.attention = Attention(
            compares,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="attention",
            **attention,
        )
        self.supports_masking = True

    def build(self, inputs_shape):
        check_features(inputs=inputs_shape)
        size = inputs_shape[-1] if self.units is None else self.units
        self.query = self.add_weight(
            shape=(self._queries, size), initializer="glorot_uniform", name="query"
        )
        self.hidden = None
        key_shape = inputs_shape
        if self._projects:
            self.hidden = keras.layers.Dense(
                size,
                activation=self.activation,
                use_bias=self.use_bias,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name="hidden",
            )
            self.hidden.build(inputs_shape)
            key_shape = (*inputs_shape[:-1], size)
        if not self.attention.built:
            self.attention.build((None, self._queries, size), inputs_shape, key_shape)
        self._size = inputs_shape[-1]
        self.built = True

    def call(self, inputs, mask=None, return_attention_scores=False, training=None):
        self._check(inputs, mask)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        key = None
        if self.hidden is not None:
            visible = inputs
            if mask is not None:
                mask = ops.cast(mask, "bool")
                # What stands in the padding must not reach the projection's gradient.
                visible = ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
            key = self.hidden(visible)
        query = ops.cast(self.query, self.compute_dtype)
        query = ops.broadcast_to(query, (ops.shape(inputs)[0], *query.shape))
        pooled, weights = self.attention(
            query, inputs, key, value_mask=mask, return_attention_scores=True, training=training
        )
        self._attended(weights, mask)
        pooled, weights = self._shaped(pooled), self._shaped(weights)
        return (pooled, weights) if return_attention_scores else pooled

    def _attended(self, weights, mask):
        """A place for what follows from the weights."""

    def _shaped(self, tensor):
        """`(B, queries, ...)` as the layer returns it."""
        return tensor

    def _check(self, inputs, mask):
        meaning = "(batch, length, features) or a feature map (batch, height, width, features)"
        check_rank("inputs", inputs, (3, 4), meaning)
        if mask is not None:
            check_shape("mask", mask, inputs.shape[:-1], "one boolean a position of inputs")
        if self.built:
            check_size("inputs", inputs, self._size)

    def _output_shapes(self, inputs_shape):
        batch, *positions, features = inputs_shape
        return (batch, self._queries, features), (batch, self._queries, *positions)

    def compute_output_shape(self, inputs_shape):
        return self._output_shapes(inputs_shape)[0]

    def compute_output_spec(self, inputs, mask=None, return_attention_scores=False, training=None):
        self._check(inputs, mask)
        pooled, weights = (
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for shape in self._output_shapes(inputs.shape)
        )
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, inputs, previous_mask=None):
        # The positions are gone.
        return None

    def get_config(self):
        attention = self.attention.get_config()
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **{name: attention[name] for name in ("normalizer", "dropout", "seed")},
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionPooling(_Pooling):
    """Sums a sequence up by what a learned query finds in it.

        weights = softmax_j(v . tanh(W h_j + b))     (B, S), 0 where masked
        pooled  = sum_j weights_j h_j                (B, D)

    With a `score`, the learned query is compared with the h_j by that score
    instead: `weights = normalizer(score(query, h))`. Where everything is
    masked the sum is zero.

    Source: Raffel and Ellis, "Feed-Forward Networks with Attention Can Solve
    Some Long-Term Memory Problems", 2015; Yang et al., "Hierarchical Attention
    Networks for Document Classification", 2016, where v is the context vector.

    Args:
        units: the size of v; with a score, that of the query. By default that
            of the inputs.
        score: None for the form above, or as in `Attention`.
        normalizer, dropout, seed: as in `Attention`.
        activation: instead of tanh.
        use_bias: whether there is a b.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, S, D)`, or a feature map `(B, H, W, D)`.
        mask: `(B, S)` or `(B, H, W)`, True for real positions. In the
            functional API Keras fills it in.
        return_attention_scores: whether to return the weights too.
        training: whether dropout acts.

    Returns:
        The sum `(B, D)`; and on request the weights `(B, S)` or `(B, H, W)`.

    Raises:
        ValueError: for units that are not positive, an unknown score or
            normalizer, and ranks, sizes or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pooling import AttentionPooling
    >>> pooled, weights = AttentionPooling(16)(np.ones((2, 5, 8)), return_attention_scores=True)
    >>> tuple(pooled.shape), tuple(weights.shape)
    ((2, 8), (2, 5))
    """

    def __init__(
        self,
        units=None,
        score=None,
        normalizer="softmax",
        activation="tanh",
        use_bias=True,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        attention = {"normalizer": normalizer, "dropout": dropout, "seed": seed}
        super().__init__(1, units, score, activation, use_bias, attention, **kwargs)

    def _shaped(self, tensor):
        return ops.squeeze(tensor, 1)

    def _output_shapes(self, inputs_shape):
        batch, *positions, features = inputs_shape
        return (batch, features), (batch, *positions)

    def get_config(self):
        score = self._score_name
        if not self._projects and score is None:
            score = keras.saving.serialize_keras_object(self.attention.score)
        return {**super().get_config(), "score": score}


@keras.saving.register_keras_serializable(package="keras_attention")
class StructuredSelfAttention(_Pooling):
    """Sums a sequence up several times over, each hop looking at something else.

        A = softmax(W2 tanh(W1 H^T))     (B, hops, S), 0 where masked
        M = A H                          (B, hops, D)

    With `penalty`, `penalty * ||A A^T - I||_F^2`, a row at a time and averaged
    over the rows, is added to the model's losses, so that the hops differ; see
    `keras_attention.losses.redundancy_loss`.

    Source: Lin et al., "A Structured Self-attentive Sentence Embedding", 2017,
    without biases.

    Args:
        hops: how many sums, r of the paper.
        units: rows of W1, d_a of the paper; by default the inputs' size.
        penalty: the factor of the penalty, 0 for none.
        normalizer, dropout, seed: as in `Attention`.
        activation: instead of tanh.
        use_bias: whether W1 has a bias.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs, mask, return_attention_scores, training: as `AttentionPooling`.

    Returns:
        The sums `(B, hops, D)`; and on request the weights `(B, hops, S)` or
        `(B, hops, H, W)`.

    Raises:
        ValueError: for hops or units that are not positive, a penalty below 0,
            and ranks, sizes or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pooling import StructuredSelfAttention
    >>> layer = StructuredSelfAttention(hops=3, units=16, penalty=0.1)
    >>> tuple(layer(np.ones((2, 5, 8))).shape), len(layer.losses)
    ((2, 3, 8), 1)
    """

    def __init__(
        self,
        hops,
        units=None,
        penalty=0.0,
        normalizer="softmax",
        activation="tanh",
        use_bias=False,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        check_positive("hops", hops)
        check_number("penalty", penalty, at_least=0)
        attention = {"normalizer": normalizer, "dropout": dropout, "seed": seed}
        super().__init__(hops, units, None, activation, use_bias, attention, **kwargs)
        self.hops, self.penalty = hops, penalty

    def _attended(self, weights, mask):
        if self.penalty:
            self.add_loss(self.penalty * redundancy_loss(weights, source_mask=mask))

    def get_config(self):
        return {**super().get_config(), "hops": self.hops, "penalty": self.penalty}
