"""Scores that are products of query and key: dot, scaled dot, general, cosine, biaffine."""

import math

import keras
from keras import ops

from keras_attention._core.checks import (
    check_positive,
    received,
)
from keras_attention.scores.base import Score, _dot


@keras.saving.register_keras_serializable(package="keras_attention")
class Dot(Score):
    """Dot product: `score = g * query . key`, `g` learned if `scale`, else 1.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based
    Neural Machine Translation", 2015.

    Args:
        scale: whether to learn `g`, which starts at 1.

    Raises:
        ValueError: at build, where query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import Dot
    >>> float(Dot()(np.ones((1, 1, 4)), np.ones((1, 1, 4)))[0, 0, 0])
    4.0
    """

    def __init__(self, scale=False, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, query_shape, key_shape):
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' where they differ."
        )
        self.g = self._scalar("g", 1.0) if self.scale else None
        self.built = True

    def compare(self, query, keys):
        if self.g is not None:
            # On the query: the smaller of the two.
            query = query * ops.cast(self.g, query.dtype)
        return _dot(query, keys)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_attention")
class ScaledDot(Score):
    """Scaled dot product: `score = query . key / sqrt(D)`, D their common size.

    Source: Vaswani et al., "Attention Is All You Need", 2017.

    Raises:
        ValueError: at build, where query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import ScaledDot
    >>> float(ScaledDot()(np.ones((1, 1, 4)), np.ones((1, 1, 4)))[0, 0, 0])
    2.0
    """

    def build(self, query_shape, key_shape):
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' where they differ."
        )
        self.built = True

    def compare(self, query, keys):
        return _dot(query / math.sqrt(query.shape[-1]), keys)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class General(Score):
    """Luong's general score, also called bilinear: `score = g * query^T W key`.

    The keys are projected, `W key`, so that this is done once a sequence.

    Source: Luong, Pham and Manning, 2015; the learned `g` is that of
    `tfa.seq2seq.LuongAttention(scale=True)`.

    Args:
        units: rows of `W`; the query's size, which is also the default.
        scale: whether to learn `g`, which starts at 1.
        kernel_initializer: for `W`.

    Raises:
        ValueError: where `units` is not positive, or at build is not the
            query's size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import General
    >>> tuple(General()(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(self, units=None, scale=False, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_positive("units", units)
        self.units = units
        self.scale = scale
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, key_shape):
        units = query_shape[-1] if self.units is None else self.units
        if units != query_shape[-1]:
            raise ValueError(
                "General multiplies the projected key with the query itself: units must be the "
                f"query's last size or None, received units={units}, {received(query=query_shape)}."
            )
        self.key_projection = keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="key_projection",
        )
        self.key_projection.build(key_shape)
        self.g = self._scalar("g", 1.0) if self.scale else None
        self.built = True

    def project_keys(self, key):
        return self.key_projection(key)

    compare = Dot.compare

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "scale": self.scale,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Cosine(Score):
    """Cosine similarity: `score = beta * query . key / (|query| |key|)`.

    `beta = exp(b)` is learned and stays within 0 and 100; a cosine alone lies
    between -1 and 1 and could not make a softmax sharp. A vector of zeros has
    similarity 0, and no gradient.

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines", 2014, where
    a controller emits beta; here it is one learned number.

    Args:
        initial_scale: beta at the start, above 0 and at most 100.

    Raises:
        ValueError: where `initial_scale` is out of range, or at build where
            query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import Cosine
    >>> score = Cosine(initial_scale=10.0)
    >>> round(float(score(np.ones((1, 1, 4)), 7 * np.ones((1, 1, 4)))[0, 0, 0]), 3)
    10.0
    """

    max_scale = 100.0

    def __init__(self, initial_scale=10.0, **kwargs):
        super().__init__(**kwargs)
        if not 0 < initial_scale <= self.max_scale:
            raise ValueError(
                f"initial_scale: expected a number above 0 and at most {self.max_scale}, "
                f"received {initial_scale!r}."
            )
        self.initial_scale = initial_scale

    def build(self, query_shape, key_shape):
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' or 'concat' where they differ."
        )
        self.log_scale = self._scalar("log_scale", math.log(self.initial_scale))
        self.built = True

    def compare(self, query, keys):
        log_scale = ops.cast(self.log_scale, query.dtype)
        scale = ops.exp(ops.minimum(log_scale, math.log(self.max_scale)))
        return scale * _dot(_unit(query), _unit(keys))

    def get_config(self):
        return {**super().get_config(), "initial_scale": self.initial_scale}


def _unit(x):
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    # Dividing a vector of zeros by a floor would keep it, but make its gradient huge.
    nothing = square < 1e-24
    unit = x * ops.rsqrt(ops.where(nothing, ops.ones_like(square), square))
    return ops.where(nothing, ops.zeros_like(x), unit)


@keras.saving.register_keras_serializable(package="keras_attention")
class Biaffine(Score):
    """Biaffine score: `score = query^T W key + u . query + v . key + b`.

    Luong's general score with what each side says alone.

    Source: Dozat and Manning, "Deep Biaffine Attention for Neural Dependency
    Parsing", 2017.

    Args:
        kernel_initializer: for W and v; zeros, so that attention starts out
            even.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.multiplicative import Biaffine
    >>> tuple(Biaffine()(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(self, kernel_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, key_shape):
        # One projection for all: its first columns are W key + u, its last is v . key + b.
        self.key_projection = keras.layers.Dense(
            query_shape[-1] + 1,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="key_projection",
        )
        self.key_projection.build(key_shape)
        self.built = True

    def project_keys(self, key):
        return self.key_projection(key)

    def compare(self, query, keys):
        return _dot(query, keys[..., :-1]) + ops.expand_dims(keys[..., -1], 1)

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
