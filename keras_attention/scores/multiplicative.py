"""Scores that are products of query and key: dot, scaled dot, general, cosine, biaffine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import check_flag, check_positive, known_features, received
from keras_attention._core.types import (
    Config,
    Constraint,
    Initializer,
    Regularizer,
    Shape,
    Structure,
    Tensor,
)
from keras_attention._core.weight_options import WeightOptions
from keras_attention.scores.base import Score, dot_product

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class Dot(Score):
    """Dot product: `score = g * query . key`, `g` learned if `scale`, else 1.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based
    Neural Machine Translation", 2015.

    Args:
        scale: whether to learn `g`, which starts at 1.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `scale` is not a boolean; at build, if query and key
            differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import Dot
    >>> float(Dot()(np.ones((1, 1, 4)), np.ones((1, 1, 4)))[0, 0, 0])
    4.0
    """

    def __init__(self, scale: bool = False, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.scale = check_flag("scale", scale)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' where they differ."
        )
        self.g = self._scalar("g", 1.0) if self.scale else None
        self.built = True

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        return _scaled_dot_product(query, keys, self.g)

    def get_config(self) -> Config:
        return {**super().get_config(), "scale": self.scale}


def _scaled_dot_product(query: Tensor, keys: Tensor, factor: keras.Variable | None) -> Tensor:
    if factor is not None:
        # On the query, the smaller of the two.
        query = query * ops.cast(factor, query.dtype)
    return dot_product(query, keys)


@keras.saving.register_keras_serializable(package="keras_attention")
class ScaledDot(Score):
    """Scaled dot product: `score = query . key / sqrt(D)`, D their common size.

    Source: Vaswani et al., "Attention Is All You Need", 2017.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: at build, if query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import ScaledDot
    >>> float(ScaledDot()(np.ones((1, 1, 4)), np.ones((1, 1, 4)))[0, 0, 0])
    2.0
    """

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' where they differ."
        )
        self.built = True

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        return dot_product(query / math.sqrt(query.shape[-1]), keys)

    def get_config(self) -> Config:
        # Keras' automatic config of arguments cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class General(Score):
    """Luong's general score, also called bilinear: `score = g * query^T W key`.

    The keys are projected, `W key`, which is done once per sequence.

    Source: Luong, Pham and Manning, 2015; the learned `g` is that of
    `tfa.seq2seq.LuongAttention(scale=True)`.

    Args:
        units: rows of `W`; the query's size, which is also the default.
        scale: whether to learn `g`, which starts at 1.
        kernel_initializer, kernel_regularizer, kernel_constraint: for `W`.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `units` is not positive, or `scale` not a boolean; at
            build, if `units` is not the query's size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import General
    >>> tuple(General()(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(
        self,
        units: int | None = None,
        scale: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.units = None if units is None else check_positive("units", units)
        self.scale = check_flag("scale", scale)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        units = query_shape[-1] if self.units is None else self.units
        if units != query_shape[-1]:
            raise ValueError(
                "General multiplies the projected key with the query itself: units must be the "
                f"query's last size or None, received units={units}, {received(query=query_shape)}."
            )
        self.key_projection = keras.layers.Dense(
            units,
            use_bias=False,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="key_projection",
            **self._kernel.for_dense(clone=False),
        )
        self.key_projection.build(key_shape)
        self.g = self._scalar("g", 1.0) if self.scale else None
        self.built = True

    def project_keys(self, key: Tensor) -> Tensor:
        return self.key_projection(key)

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        return _scaled_dot_product(query, keys, self.g)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "scale": self.scale,
            **self._kernel.get_config(),
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Cosine(Score):
    """Cosine similarity: `score = beta * query . key / (|query| |key|)`.

    `beta = exp(b)` is learned and stays between 0 and 100: a cosine alone, from
    -1 to 1, cannot make a softmax sharp. A vector of zeros has similarity 0 and
    no gradient.

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines", 2014, where
    a controller emits beta; here it is one learned number.

    Args:
        initial_scale: the first beta, above 0 and at most 100.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `initial_scale` is out of range; at build, if query and
            key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import Cosine
    >>> score = Cosine(initial_scale=10.0)
    >>> round(float(score(np.ones((1, 1, 4)), 7 * np.ones((1, 1, 4)))[0, 0, 0]), 3)
    10.0
    """

    max_scale = 100.0

    def __init__(self, initial_scale: float = 10.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        if not 0 < initial_scale <= self.max_scale:
            raise ValueError(
                f"initial_scale: expected a number above 0 and at most {self.max_scale}, "
                f"received {initial_scale!r}."
            )
        self.initial_scale = initial_scale

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' or 'concat' where they differ."
        )
        self.log_scale = self._scalar("log_scale", math.log(self.initial_scale))
        self.built = True

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        log_scale = ops.cast(self.log_scale, query.dtype)
        scale = ops.exp(ops.minimum(log_scale, math.log(self.max_scale)))
        return scale * dot_product(_unit(query), _unit(keys))

    def get_config(self) -> Config:
        return {**super().get_config(), "initial_scale": self.initial_scale}


def _unit(x: Tensor) -> Tensor:
    """Vectors divided by their lengths; zeros stay zeros."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    # Division by a floor would give zeros too, but with a huge gradient.
    is_zero = square < 1e-24
    unit = x * ops.rsqrt(ops.where(is_zero, ops.ones_like(square), square))
    return ops.where(is_zero, ops.zeros_like(x), unit)


@keras.saving.register_keras_serializable(package="keras_attention")
class Biaffine(Score):
    """Biaffine score: `score = query^T W key + u . query + v . key + b`.

    Luong's general score with a term of each side alone.

    Source: Dozat and Manning, "Deep Biaffine Attention for Neural Dependency
    Parsing", 2017.

    Args:
        kernel_initializer: for W and v; zeros, so that the first weights are
            uniform.
        kernel_regularizer, kernel_constraint: for W and v.
        bias_initializer, bias_regularizer, bias_constraint: for u and b.
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import Biaffine
    >>> tuple(Biaffine()(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(
        self,
        kernel_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_initializer: Initializer = "zeros",
        bias_regularizer: Regularizer = None,
        bias_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._bias = WeightOptions("bias", bias_initializer, bias_regularizer, bias_constraint)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        # One projection: its first columns are W key + u, its last one is v . key + b.
        self.key_projection = keras.layers.Dense(
            known_features("query", query_shape) + 1,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="key_projection",
            **self._kernel.for_dense(clone=False),
            **self._bias.for_dense(clone=False),
        )
        self.key_projection.build(key_shape)
        self.built = True

    def project_keys(self, key: Tensor) -> Tensor:
        return self.key_projection(key)

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        return dot_product(query, keys[..., :-1]) + ops.expand_dims(keys[..., -1], 1)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            **self._kernel.get_config(),
            **self._bias.get_config(),
        }
