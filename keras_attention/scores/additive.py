"""The additive score, which is also Luong's concat."""

import math

import keras
from keras import ops

from keras_attention._core.blockwise import additive_scores
from keras_attention._core.checks import (
    check_flag,
    check_positive,
)
from keras_attention.scores.base import Score


@keras.saving.register_keras_serializable(package="keras_attention")
class Additive(Score):
    """Additive score, which is also Luong's concat: `score = v . act(W query + U key + b)`.

    `[W U]` applied to `[query; key]` is `W query + U key`: Luong's concat and
    Bahdanau's additive score are one function, and the split weights let the
    keys be projected once. With `normalize` the vector becomes
    `g * v / |v|`, with `g` starting at `sqrt(1 / units)`.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly
    Learning to Align and Translate", 2015 (no bias); Luong, Pham and Manning,
    2015; the normalised form, with bias, as Raffel et al., "Online and
    Linear-Time Attention by Enforcing Monotonic Alignments", 2017, use it.

    Args:
        units: the size U of the common space; by default the query's size.
        activation: the non-linearity: tanh (as published), sigmoid, relu or
            any other Keras activation.
        normalize: whether `v` is weight-normalised.
        use_bias: whether there is a `b`; by default as `normalize`.
        kernel_initializer: for W, U and v.

    Raises:
        ValueError: where `units` is not positive, or `normalize` no boolean.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.additive import Additive
    >>> score = Additive(8, activation="relu")
    >>> tuple(score(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(
        self,
        units=None,
        activation="tanh",
        normalize=False,
        use_bias=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units is not None:
            check_positive("units", units)
        check_flag("normalize", normalize)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.normalize = normalize
        self.use_bias = normalize if use_bias is None else use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, key_shape):
        units = query_shape[-1] if self.units is None else self.units

        def projection(name, shape, use_bias=False):
            dense = keras.layers.Dense(
                units,
                use_bias=use_bias,
                # A clone, or all kernels of one size would start out equal.
                kernel_initializer=self.kernel_initializer.clone(),
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            dense.build(shape)
            return dense

        self.query_projection = projection("query_projection", query_shape)
        self.key_projection = projection("key_projection", key_shape, self.use_bias)
        self.v = self.add_weight(
            shape=(units, 1),
            initializer=self.kernel_initializer.clone(),
            autocast=False,
            name="v",
        )
        self.g = self._scalar("g", math.sqrt(1.0 / units)) if self.normalize else None
        self.built = True

    def project_query(self, query):
        return self.query_projection(query)

    def project_keys(self, key):
        return self.key_projection(key)

    def compare(self, query, keys):
        v = ops.cast(self.v, query.dtype)
        if self.g is not None:
            v = ops.cast(self.g, query.dtype) * v * ops.rsqrt(ops.sum(ops.square(v)))
        return additive_scores(query, keys, v, self.activation)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "normalize": self.normalize,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
