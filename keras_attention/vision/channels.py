"""Which features of an image matter, and where: squeeze-and-excitation, and CBAM."""

import keras
from keras import ops

from keras_attention._core.checks import (
    check_features,
    check_flag,
    check_positive,
    check_rank,
    check_size,
)
from keras_attention._core.masks import zero_where_masked
from keras_attention.vision.positions import (
    check_features_and_mask,
    max_over_positions,
    mean_over_positions,
)


class _Reweighing(keras.layers.Layer):
    """Multiplies features by weights between 0 and 1 that follow from them.

    What is masked counts for nothing, and comes out as zero.
    """

    def __init__(self, use_bias, **kwargs):
        super().__init__(**kwargs)
        check_flag("use_bias", use_bias)
        self.use_bias = use_bias
        self.supports_masking = True

    def call(self, features, mask=None, return_attention_scores=False):
        self._check(features, mask)
        features = ops.convert_to_tensor(features, dtype=self.compute_dtype)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # What stands in the padding must reach neither the weights nor a gradient.
            features = zero_where_masked(mask, features)
        results = self._reweigh(features, mask)
        return results if return_attention_scores else results[0]

    def _reweigh(self, features, mask):
        """The new features, and the weights that made them so."""
        raise NotImplementedError

    def _weights_shapes(self, features_shape):
        raise NotImplementedError

    def _check(self, features, mask):
        check_features_and_mask(features, mask)
        if self.built:
            check_size("features", features, self._size)

    def compute_output_spec(self, features, mask=None, return_attention_scores=False):
        self._check(features, mask)
        shapes = (features.shape, *self._weights_shapes(features.shape))
        specs = tuple(keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes)
        return specs if return_attention_scores else specs[0]

    def compute_output_shape(self, features_shape):
        return features_shape

    def get_config(self):
        return {**super().get_config(), "use_bias": self.use_bias}


class _Channels(_Reweighing):
    """One weight a channel, from summaries of all positions through one small network."""

    _summaries = ()

    def __init__(self, ratio=16, use_bias=True, **kwargs):
        super().__init__(use_bias, **kwargs)
        check_positive("ratio", ratio)
        self.ratio = ratio

    def build(self, features_shape):
        check_features(features=features_shape)
        self._size = size = features_shape[-1]
        hidden = max(size // self.ratio, 1)

        def dense(units, input_size, activation, name):
            layer = keras.layers.Dense(
                units,
                activation=activation,
                use_bias=self.use_bias,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            layer.build((None, input_size))
            return layer

        self.squeeze = dense(hidden, size, "relu", "squeeze")
        self.excite = dense(size, hidden, None, "excite")
        self.built = True

    def _reweigh(self, features, mask):
        total = 0.0
        for summary in self._summaries:
            summed = ops.cast(summary(features, mask), self.compute_dtype)
            total = total + self.excite(self.squeeze(summed))
        weights = ops.sigmoid(total)
        places = (1,) * (len(features.shape) - 2)
        return features * ops.reshape(weights, (-1, *places, self._size)), weights

    def _weights_shapes(self, features_shape):
        return ((features_shape[0], features_shape[-1]),)

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable(package="keras_attention")
class SqueezeExcitation(_Channels):
    """Weighs each channel of a feature map by what the whole map shows.

        weights = sigmoid(W2 relu(W1 mean + b1) + b2)          (B, D)
        output  = weights * features

    The mean is that of the real positions. What is masked counts for nothing
    and comes out as zero, so that extra padding changes nothing.

    Source: Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2018.

    Args:
        ratio: how many times smaller than D the hidden layer is; it keeps at
            least one unit.
        use_bias: whether there are b1 and b2, as in the authors' code.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, H, W, D)` or `(B, S, D)`.
        mask: `(B, H, W)` or `(B, S)`, True for real positions. In the
            functional API Keras fills it in.
        return_attention_scores: whether to return the weights too.

    Returns:
        As large as the features; and on request the weights `(B, D)`.

    Raises:
        ValueError: for a ratio that is not positive, and features or masks that
            do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> features = np.ones((2, 4, 4, 32))
    >>> outputs, weights = vision.SqueezeExcitation()(features, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(weights.shape)
    ((2, 4, 4, 32), (2, 32))
    """

    _summaries = (mean_over_positions,)


@keras.saving.register_keras_serializable(package="keras_attention")
class ChannelAttention(_Channels):
    """Weighs each channel of a feature map by its mean and its maximum: CBAM's first half.

        MLP(x)  = W2 relu(W1 x + b1) + b2
        weights = sigmoid(MLP(mean) + MLP(max))                (B, D)
        output  = weights * features

    One MLP for both, and the sigmoid after the sum. Mean and maximum are those
    of the real positions. What is masked comes out as zero.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", 2018.

    Args:
        ratio, use_bias: as in `SqueezeExcitation`, whose call this has.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        As `SqueezeExcitation`.

    Returns:
        As `SqueezeExcitation`.

    Raises:
        ValueError: as `SqueezeExcitation`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> tuple(vision.ChannelAttention(ratio=8)(np.ones((2, 4, 4, 32))).shape)
    (2, 4, 4, 32)
    """

    _summaries = (mean_over_positions, max_over_positions)


@keras.saving.register_keras_serializable(package="keras_attention")
class SpatialAttention(_Reweighing):
    """Weighs each place of a feature map by its surroundings: CBAM's second half.

        weights = sigmoid(conv([mean; max]) + b)               (B, H, W)
        output  = weights * features

    Mean and maximum are over the channels, and the convolution sees zeros
    outside the map; the same where it is masked, so that a masked map gives
    what the sliced one does. The authors' code normalizes by the batch between
    convolution and sigmoid, the paper's formula, which this is, does not.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", 2018.

    Args:
        kernel_size: how many places wide and high the convolution is; odd.
        use_bias: whether there is a b.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, H, W, D)`.
        mask: `(B, H, W)`, True for real positions. In the functional API Keras
            fills it in.
        return_attention_scores: whether to return the weights too.

    Returns:
        As large as the features; and on request the weights `(B, H, W)`, zero
        where masked.

    Raises:
        ValueError: for a kernel size that is not odd, and features or masks
            that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> features = np.ones((2, 9, 9, 32))
    >>> outputs, weights = vision.SpatialAttention()(features, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(weights.shape)
    ((2, 9, 9, 32), (2, 9, 9))
    """

    def __init__(self, kernel_size=7, use_bias=True, **kwargs):
        super().__init__(use_bias, **kwargs)
        check_positive("kernel_size", kernel_size)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number, received {kernel_size}.")
        self.kernel_size = kernel_size

    def build(self, features_shape):
        _check_map(keras.KerasTensor(features_shape))
        check_features(features=features_shape)
        self._size = features_shape[-1]
        self.convolution = keras.layers.Conv2D(
            1,
            self.kernel_size,
            padding="same",
            use_bias=self.use_bias,
            data_format="channels_last",
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="convolution",
        )
        self.convolution.build((*features_shape[:-1], 2))
        self.built = True

    def _reweigh(self, features, mask):
        pooled = [ops.mean(features, axis=-1), ops.max(features, axis=-1)]
        weights = ops.sigmoid(self.convolution(ops.stack(pooled, axis=-1)))
        weights = zero_where_masked(mask, weights)
        return features * weights, ops.squeeze(weights, -1)

    def _check(self, features, mask):
        _check_map(features)
        super()._check(features, mask)

    def _weights_shapes(self, features_shape):
        return (features_shape[:-1],)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


def _check_map(features):
    check_rank("features", features, (4,), "a feature map (batch, height, width, features)")


@keras.saving.register_keras_serializable(package="keras_attention")
class CBAM(_Reweighing):
    """Convolutional block attention: first which channels matter, then which places.

        output = SpatialAttention(ChannelAttention(features))

    In a residual block it stands before the sum.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", 2018.

    Args:
        ratio: of the `ChannelAttention`.
        kernel_size: of the `SpatialAttention`.
        use_bias: of both.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        As `SpatialAttention`.

    Returns:
        As large as the features; and on request the weights of the channels
        `(B, D)` and of the places `(B, H, W)`.

    Raises:
        ValueError: as the two.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> tuple(vision.CBAM()(np.ones((2, 9, 9, 32))).shape)
    (2, 9, 9, 32)
    """

    def __init__(self, ratio=16, kernel_size=7, use_bias=True, **kwargs):
        super().__init__(use_bias, **kwargs)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.channels = ChannelAttention(ratio, use_bias, name="channels", **policy)
        self.places = SpatialAttention(kernel_size, use_bias, name="places", **policy)

    def build(self, features_shape):
        self.channels.build(features_shape)
        self.places.build(features_shape)
        self._size = features_shape[-1]
        self.built = True

    def _reweigh(self, features, mask):
        features, channels = self.channels(features, mask=mask, return_attention_scores=True)
        features, places = self.places(features, mask=mask, return_attention_scores=True)
        return features, channels, places

    def _weights_shapes(self, features_shape):
        return (
            *self.channels._weights_shapes(features_shape),
            *self.places._weights_shapes(features_shape),
        )

    def _check(self, features, mask):
        self.places._check(features, mask)

    def get_config(self):
        return {
            **super().get_config(),
            "ratio": self.channels.ratio,
            "kernel_size": self.places.kernel_size,
        }
