"""The additive score, which is also Luong's concat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.blockwise import additive_scores
from keras_attention._core.checks import check_flag, check_positive, known_features
from keras_attention._core.types import (
    Activation,
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
from keras_attention.scores.base import Score

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AdditiveOptions(LayerOptions, total=False):
    """The arguments that scores derived from `Additive` pass on to it."""

    activation: Activation
    normalize: bool
    kernel_initializer: Initializer
    kernel_regularizer: Regularizer
    kernel_constraint: Constraint
    bias_initializer: Initializer
    bias_regularizer: Regularizer
    bias_constraint: Constraint


@keras.saving.register_keras_serializable(package="keras_attention")
class Additive(Score):
    """Additive score, which is also Luong's concat: `score = v . act(W query + U key + b)`.

    `[W U]` applied to `[query; key]` is `W query + U key`: Luong's concat and
    Bahdanau's additive score are one function, and with the split weights the
    keys are projected once. With `normalize` the vector becomes `g * v / |v|`,
    with `g` starting at `sqrt(1 / units)`.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly
    Learning to Align and Translate", 2015 (no bias); Luong, Pham and Manning,
    2015; the normalized form, with bias, as Raffel et al., "Online and
    Linear-Time Attention by Enforcing Monotonic Alignments", 2017, use it.

    Args:
        units: the size U of the common space; by default the query's size.
        activation: tanh (as published), sigmoid, relu or any other Keras
            activation.
        normalize: whether `v` is weight-normalized.
        use_bias: whether there is a `b`; by default the same as `normalize`.
        kernel_initializer: for W, U and v.
        kernel_regularizer, kernel_constraint: for W, U and v.
        bias_initializer, bias_regularizer, bias_constraint: for b.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `units` is not positive, or `normalize` not a boolean.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.additive import Additive
    >>> score = Additive(8, activation="relu")
    >>> tuple(score(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(
        self,
        units: int | None = None,
        activation: Activation = "tanh",
        normalize: bool = False,
        use_bias: bool | None = None,
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
        self.normalize = check_flag("normalize", normalize)
        self.use_bias = normalize if use_bias is None else check_flag("use_bias", use_bias)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._bias = WeightOptions("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.kernel_initializer = self._kernel.initializer

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        units = self.units or known_features("query", query_shape)
        self.query_projection = self._projection("query_projection", units, query_shape, False)
        self.key_projection = self._projection("key_projection", units, key_shape, self.use_bias)
        self.v = self.add_weight(
            shape=(units, 1), autocast=False, name="v", **self._kernel.for_weight()
        )
        self.g = self._scalar("g", math.sqrt(1.0 / units)) if self.normalize else None
        self.built = True

    def _projection(
        self, name: str, units: int, shape: Shape, use_bias: bool
    ) -> keras.layers.Dense:
        dense = keras.layers.Dense(
            units,
            use_bias=use_bias,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name=name,
            **self._kernel.for_dense(),
            **self._bias.for_dense(),
        )
        dense.build(shape)
        return dense

    def project_query(self, query: Tensor) -> Tensor:
        return self.query_projection(query)

    def project_keys(self, key: Tensor) -> Tensor:
        return self.key_projection(key)

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        v = ops.cast(self.v, query.dtype)
        if self.g is not None:
            v = ops.cast(self.g, query.dtype) * v * ops.rsqrt(ops.sum(ops.square(v)))
        return additive_scores(query, keys, v, self.activation)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "normalize": self.normalize,
            "use_bias": self.use_bias,
            **self._kernel.get_config(),
            **self._bias.get_config(),
        }
