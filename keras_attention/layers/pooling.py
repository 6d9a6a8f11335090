"""Pooling of a sequence into one vector by attention with learned queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

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
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import (
    Activation,
    Config,
    Constraint,
    Initializer,
    LayerOptions,
    Regularizer,
    Shape,
    Tensor,
)
from keras_attention._core.weight_options import WeightOptions
from keras_attention.layers.attention import Attention
from keras_attention.losses import redundancy_loss

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.normalizers.registry import NormalizerIdentifier
    from keras_attention.scores.registry import ScoreIdentifier


class _AttentionOptions(TypedDict):
    """The arguments of the attention inside a pooling layer."""

    normalizer: NormalizerIdentifier
    dropout: float
    seed: int | None


class PoolingOptions(LayerOptions, total=False):
    """The arguments that both pooling layers pass on: those of a Dense layer's weights."""

    kernel_initializer: Initializer
    kernel_regularizer: Regularizer
    kernel_constraint: Constraint
    bias_initializer: Initializer
    bias_regularizer: Regularizer
    bias_constraint: Constraint


class _Pooling(QuantizedParts):
    """Learned queries that attend to a sequence.

    Without a score, the queries are compared with `act(W h + b)` by the dot product, which gives
    `v . act(W h + b)`; with a score, they are compared with h by that score.
    """

    def __init__(
        self,
        queries: int,
        units: int | None,
        score: ScoreIdentifier | None,
        activation: Activation,
        use_bias: bool,
        attention: _AttentionOptions,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_initializer: Initializer = "zeros",
        bias_regularizer: Regularizer = None,
        bias_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.units = None if units is None else check_positive("units", units)
        self.activation = keras.activations.get(activation)
        self.use_bias = check_flag("use_bias", use_bias)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._bias = WeightOptions("bias", bias_initializer, bias_regularizer, bias_constraint)
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
        self.hidden: keras.layers.Dense | None = None
        self._size: int | None = None
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        check_features(inputs=inputs_shape)
        size = inputs_shape[-1] if self.units is None else self.units
        self.query = self.add_weight(
            shape=(self._queries, size), initializer="glorot_uniform", name="query"
        )
        key_shape = inputs_shape
        if self._projects:
            self.hidden = keras.layers.Dense(
                size,
                activation=self.activation,
                use_bias=self.use_bias,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name="hidden",
                **self._kernel.for_dense(clone=False),
                **self._bias.for_dense(clone=False),
            )
            self.hidden.build(inputs_shape)
            key_shape = (*inputs_shape[:-1], size)
        if not self.attention.built:
            self.attention.build((None, self._queries, size), inputs_shape, key_shape)
        self._size = inputs_shape[-1]
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        self._check(inputs, mask)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        mask = None if mask is None else ops.cast(mask, "bool")
        key = None
        if self.hidden is not None:
            # Padding must not reach the gradient of the projection.
            key = self.hidden(zero_where_masked(mask, inputs))
        query = ops.cast(self.query, self.compute_dtype)
        query = ops.broadcast_to(query, (ops.shape(inputs)[0], *query.shape))
        pooled, weights = self.attention(
            query, inputs, key, value_mask=mask, return_attention_scores=True, training=training
        )
        self._attended(weights, mask)
        pooled, weights = self._shaped(pooled), self._shaped(weights)
        return (pooled, weights) if return_attention_scores else pooled

    def _attended(self, weights: Tensor, mask: Tensor | None) -> None:
        """Called with the weights, for losses over them."""

    def _shaped(self, tensor: Tensor) -> Tensor:
        """A result `(B, queries, ...)` in the shape in which the layer returns it."""
        return tensor

    def _check(self, inputs: Tensor, mask: Tensor | None) -> None:
        meaning = "(batch, length, features) or a feature map (batch, height, width, features)"
        check_rank("inputs", inputs, (3, 4), meaning)
        if mask is not None:
            check_shape("mask", mask, inputs.shape[:-1], "one boolean per position of inputs")
        if self.built:
            check_size("inputs", inputs, self._size)

    def _output_shapes(self, inputs_shape: Shape) -> tuple[Shape, Shape]:
        batch, *positions, features = inputs_shape
        return (batch, self._queries, features), (batch, self._queries, *positions)

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        return self._output_shapes(inputs_shape)[0]

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> keras.KerasTensor | tuple[keras.KerasTensor, keras.KerasTensor]:
        self._check(inputs, mask)
        pooled, weights = (
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for shape in self._output_shapes(inputs.shape)
        )
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> None:
        # The result has no positions that a mask could be about.
        return None

    def get_config(self) -> Config:
        attention = self.attention.get_config()
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **self._kernel.get_config(),
            **self._bias.get_config(),
            **{name: attention[name] for name in ("normalizer", "dropout", "seed")},
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionPooling(_Pooling):
    """The sum of a sequence, weighted by attention with a learned query.

        weights = softmax_j(v . tanh(W h_j + b))     (B, S), 0 where masked
        pooled  = sum_j weights_j h_j                (B, D)

    With a `score`, the learned query is compared with the h_j by that score
    instead: `weights = normalizer(score(query, h))`. If all positions are
    masked, the sum is zero.

    Source: Raffel and Ellis, "Feed-Forward Networks with Attention Can Solve
    Some Long-Term Memory Problems", 2015; Yang et al., "Hierarchical Attention
    Networks for Document Classification", 2016, where v is the context vector.

    Args:
        units: the size of v; with a score, of the query. By default the size
            of the inputs.
        score: None for the form above, or as in `Attention`.
        normalizer, dropout, seed: as in `Attention`.
        activation: in place of tanh.
        use_bias: whether there is a b.
        **kwargs: `kernel_initializer`, `kernel_regularizer` and
            `kernel_constraint` for W, `bias_initializer`, `bias_regularizer`
            and `bias_constraint` for b, and the arguments of
            `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, S, D)`, or a feature map `(B, H, W, D)`.
        mask: `(B, S)` or `(B, H, W)`, True for real positions. In the
            functional API Keras fills it in.
        return_attention_scores: whether to return the weights too.
        training: whether dropout is active.

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
        units: int | None = None,
        score: ScoreIdentifier | None = None,
        normalizer: NormalizerIdentifier = "softmax",
        activation: Activation = "tanh",
        use_bias: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[PoolingOptions],
    ) -> None:
        attention = _AttentionOptions(normalizer=normalizer, dropout=dropout, seed=seed)
        super().__init__(1, units, score, activation, use_bias, attention, **kwargs)

    def _shaped(self, tensor: Tensor) -> Tensor:
        return ops.squeeze(tensor, 1)

    def _output_shapes(self, inputs_shape: Shape) -> tuple[Shape, Shape]:
        batch, *positions, features = inputs_shape
        return (batch, features), (batch, *positions)

    def get_config(self) -> Config:
        score: str | Config | None = self._score_name
        if not self._projects and score is None:
            score = scores.serialize(self.attention.score)
        return {**super().get_config(), "score": score}


@keras.saving.register_keras_serializable(package="keras_attention")
class StructuredSelfAttention(_Pooling):
    """Several sums of a sequence, each weighted by attention of its own (a hop).

        A = softmax(W2 tanh(W1 H^T))     (B, hops, S), 0 where masked
        M = A H                          (B, hops, D)

    With `penalty`, `penalty * ||A A^T - I||_F^2`, the mean over the examples,
    is added to the model's losses, so that the hops differ; see
    `keras_attention.losses.redundancy_loss`.

    Source: Lin et al., "A Structured Self-attentive Sentence Embedding", 2017,
    without biases.

    Args:
        hops: the number of sums, r in the paper.
        units: rows of W1, d_a in the paper; by default the inputs' size.
        penalty: the factor of the penalty, 0 for none.
        normalizer, dropout, seed: as in `Attention`.
        activation: in place of tanh.
        use_bias: whether W1 has a bias.
        **kwargs: as in `AttentionPooling`, for W1 and its bias.

    Call arguments:
        inputs, mask, return_attention_scores, training: as `AttentionPooling`.

    Returns:
        The sums `(B, hops, D)`; and on request the weights `(B, hops, S)` or
        `(B, hops, H, W)`.

    Raises:
        ValueError: for hops or units that are not positive, a penalty below 0,
            or ranks, sizes or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pooling import StructuredSelfAttention
    >>> layer = StructuredSelfAttention(hops=3, units=16, penalty=0.1)
    >>> tuple(layer(np.ones((2, 5, 8))).shape), len(layer.losses)
    ((2, 3, 8), 1)
    """

    def __init__(
        self,
        hops: int,
        units: int | None = None,
        penalty: float = 0.0,
        normalizer: NormalizerIdentifier = "softmax",
        activation: Activation = "tanh",
        use_bias: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[PoolingOptions],
    ) -> None:
        hops = check_positive("hops", hops)
        penalty = check_number("penalty", penalty, at_least=0)
        attention = _AttentionOptions(normalizer=normalizer, dropout=dropout, seed=seed)
        super().__init__(hops, units, None, activation, use_bias, attention, **kwargs)
        self.hops, self.penalty = hops, penalty

    def _attended(self, weights: Tensor, mask: Tensor | None) -> None:
        if self.penalty:
            self.add_loss(self.penalty * redundancy_loss(weights, source_mask=mask))

    def get_config(self) -> Config:
        return {**super().get_config(), "hops": self.hops, "penalty": self.penalty}
