"""Channel and spatial attention for feature maps: squeeze-and-excitation and CBAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.vision.positions import (
    check_features_and_mask,
    max_over_positions,
    mean_over_positions,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _FeatureGate(QuantizedParts):
    """Multiplies features by weights in (0, 1) that are computed from the features.

    Masked positions do not influence the weights and are zero in the output.
    """

    def __init__(self, use_bias: bool, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.use_bias = check_flag("use_bias", use_bias)
        self.supports_masking = True

    def call(
        self, features: Tensor, mask: Tensor | None = None, return_attention_scores: bool = False
    ) -> Structure:
        self._check(features, mask)
        features = ops.convert_to_tensor(features, dtype=self.compute_dtype)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # Masked values, possibly NaN, must not reach the weights or a gradient.
            features = zero_where_masked(mask, features)
        results = self._gate(features, mask)
        return results if return_attention_scores else results[0]

    def _gate(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        """Returns the gated features, followed by the weights."""
        raise NotImplementedError

    def _weights_shapes(self, features_shape: Shape) -> tuple[Shape, ...]:
        raise NotImplementedError

    def _check(self, features: Tensor, mask: Tensor | None) -> None:
        check_features_and_mask(features, mask)
        if self.built:
            check_size("features", features, self._size)

    def compute_output_spec(
        self, features: Tensor, mask: Tensor | None = None, return_attention_scores: bool = False
    ) -> Structure:
        self._check(features, mask)
        shapes = (features.shape, *self._weights_shapes(features.shape))
        specs = tuple(keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes)
        return specs if return_attention_scores else specs[0]

    def compute_output_shape(self, features_shape: Shape) -> Shape:
        return features_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "use_bias": self.use_bias}


class _ChannelGate(_FeatureGate):
    """One weight per channel: summaries over all positions, passed through one small network."""

    _summaries: tuple[Callable[[Tensor, Tensor | None], Tensor], ...] = ()

    def __init__(
        self, ratio: int = 16, use_bias: bool = True, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(use_bias, **kwargs)
        self.ratio = check_positive("ratio", ratio)

    def build(self, features_shape: Shape) -> None:
        check_features(features=features_shape)
        size = features_shape[-1]
        assert size is not None
        self._size = size
        hidden = max(size // self.ratio, 1)

        def dense(
            units: int, input_size: int, activation: str | None, name: str
        ) -> keras.layers.Dense:
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

    def _gate(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        total = 0.0
        for summary in self._summaries:
            summarized = ops.cast(summary(features, mask), self.compute_dtype)
            total = total + self.excite(self.squeeze(summarized))
        weights = ops.sigmoid(total)
        positions = (1,) * (len(features.shape) - 2)
        return features * ops.reshape(weights, (-1, *positions, self._size)), weights

    def _weights_shapes(self, features_shape: Shape) -> tuple[Shape, ...]:
        return ((features_shape[0], features_shape[-1]),)

    def get_config(self) -> Config:
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable(package="keras_attention")
class SqueezeExcitation(_ChannelGate):
    """Multiplies each channel of a feature map by a weight computed from the channel means.

        weights = sigmoid(W2 relu(W1 mean + b1) + b2)          (B, D)
        output  = weights * features

    The mean is taken over the unmasked positions. Masked positions are zero in
    the output, and extra padding does not change the result.

    Source: Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2018.

    Args:
        ratio: reduction ratio. The hidden layer has `D // ratio` units, at
            least one.
        use_bias: whether to use the biases b1 and b2, as in the authors' code.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: `(B, H, W, D)` or `(B, S, D)`.
        mask: `(B, H, W)` or `(B, S)`, True for real positions. In the
            functional API Keras passes it on.
        return_attention_scores: whether to return the weights too.

    Returns:
        A tensor of the shape of `features`; with `return_attention_scores`
        also the weights `(B, D)`.

    Raises:
        ValueError: if `ratio` is not positive, or if features and mask do not
            have fitting shapes.

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
class ChannelAttention(_ChannelGate):
    """Channel attention of CBAM: channel weights from the mean and the maximum.

        MLP(x)  = W2 relu(W1 x + b1) + b2
        weights = sigmoid(MLP(mean) + MLP(max))                (B, D)
        output  = weights * features

    Mean and maximum share the MLP and are taken over the unmasked positions.
    Masked positions are zero in the output.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", 2018.

    Args:
        ratio: as in `SqueezeExcitation`.
        use_bias: as in `SqueezeExcitation`.
        **kwargs: passed to `keras.layers.Layer`.

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
class SpatialAttention(_FeatureGate):
    """Spatial attention of CBAM: one weight per position of a feature map.

        weights = sigmoid(conv([mean; max]) + b)               (B, H, W)
        output  = weights * features

    Mean and maximum are taken over the channels. The convolution pads with
    zeros, and masked positions are zero as well, so that a masked map gives
    the same result as the map without the masked part. There is no batch
    normalization between convolution and sigmoid; the paper's formula has
    none, the authors' code does.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", 2018.

    Args:
        kernel_size: height and width of the convolution; odd.
        use_bias: whether to use the bias b.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: `(B, H, W, D)`.
        mask: `(B, H, W)`, True for real positions. In the functional API Keras
            passes it on.
        return_attention_scores: whether to return the weights too.

    Returns:
        A tensor of the shape of `features`; with `return_attention_scores`
        also the weights `(B, H, W)`, zero where masked.

    Raises:
        ValueError: if `kernel_size` is not odd, or if features and mask do not
            have fitting shapes.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> features = np.ones((2, 9, 9, 32))
    >>> outputs, weights = vision.SpatialAttention()(features, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(weights.shape)
    ((2, 9, 9, 32), (2, 9, 9))
    """

    def __init__(
        self, kernel_size: int = 7, use_bias: bool = True, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(use_bias, **kwargs)
        self.kernel_size = check_positive("kernel_size", kernel_size)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number, received {kernel_size}.")

    def build(self, features_shape: Shape) -> None:
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

    def _gate(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        pooled = [ops.mean(features, axis=-1), ops.max(features, axis=-1)]
        weights = ops.sigmoid(self.convolution(ops.stack(pooled, axis=-1)))
        weights = zero_where_masked(mask, weights)
        return features * weights, ops.squeeze(weights, -1)

    def _check(self, features: Tensor, mask: Tensor | None) -> None:
        _check_map(features)
        super()._check(features, mask)

    def _weights_shapes(self, features_shape: Shape) -> tuple[Shape, ...]:
        return (features_shape[:-1],)

    def get_config(self) -> Config:
        return {**super().get_config(), "kernel_size": self.kernel_size}


def _check_map(features: Tensor) -> None:
    check_rank("features", features, (4,), "a feature map (batch, height, width, features)")


@keras.saving.register_keras_serializable(package="keras_attention")
class CBAM(_FeatureGate):
    """Convolutional block attention module: channel attention, then spatial attention.

        output = SpatialAttention(ChannelAttention(features))

    In a residual block it is applied before the addition.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", 2018.

    Args:
        ratio: reduction ratio of the `ChannelAttention`.
        kernel_size: kernel size of the `SpatialAttention`.
        use_bias: whether both use biases.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        As `SpatialAttention`.

    Returns:
        A tensor of the shape of `features`; with `return_attention_scores`
        also the channel weights `(B, D)` and the spatial weights `(B, H, W)`.

    Raises:
        ValueError: as `ChannelAttention` and `SpatialAttention`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> tuple(vision.CBAM()(np.ones((2, 9, 9, 32))).shape)
    (2, 9, 9, 32)
    """

    def __init__(
        self,
        ratio: int = 16,
        kernel_size: int = 7,
        use_bias: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(use_bias, **kwargs)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.channels = ChannelAttention(ratio, use_bias, name="channels", **policy)
        # Saved weights are found by this attribute's name.
        self.places = SpatialAttention(kernel_size, use_bias, name="places", **policy)

    def build(self, features_shape: Shape) -> None:
        self.channels.build(features_shape)
        self.places.build(features_shape)
        self._size = features_shape[-1]
        self.built = True

    def _gate(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        features, channels = self.channels(features, mask=mask, return_attention_scores=True)
        features, positions = self.places(features, mask=mask, return_attention_scores=True)
        return features, channels, positions

    def _weights_shapes(self, features_shape: Shape) -> tuple[Shape, ...]:
        return (
            *self.channels._weights_shapes(features_shape),
            *self.places._weights_shapes(features_shape),
        )

    def _check(self, features: Tensor, mask: Tensor | None) -> None:
        self.places._check(features, mask)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "ratio": self.channels.ratio,
            "kernel_size": self.places.kernel_size,
        }
