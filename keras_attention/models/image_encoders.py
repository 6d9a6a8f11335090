"""Image encoders: an image becomes a map of feature vectors, one per position."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import keras
from keras import layers, ops

from keras_attention._core.checks import check_choice, check_flag, check_positive, check_shape
from keras_attention._core.types import Config, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class ImageEncoder(layers.Layer):
    """A small convolutional network that returns a feature map.

    Every stage halves the map by a strided convolution and continues with
    residual convolutions, all 3 x 3 with batch normalization and ReLU. The
    input of the last stage has two more channels, the coordinates of each
    position from -1 to 1. Captions describe positions, and convolutions alone
    cannot tell them apart.

    Sources: He et al., "Deep Residual Learning for Image Recognition", 2016;
    the coordinates: Liu et al., "An Intriguing Failing of Convolutional Neural
    Networks and the CoordConv Solution", 2018.

    Args:
        filters: the channels of each stage; the last is the size of the
            features.
        blocks: the number of residual blocks after each halving: one for all
            stages, or one per stage; by default 0 for the first, 1 for the
            second, and so on.
        coordinates: whether the last stage reads coordinates.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        images: `(B, H, W, 3)`, numbers from 0 to 255.
        training: whether batch normalization uses the statistics of the batch.

    Returns:
        Features `(B, h, w, filters[-1])`. Every stage halves H and W, rounded
        up.

    Raises:
        ValueError: for filters that are not positive integers, blocks that are
            not one per stage, and inputs that are not images.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import ImageEncoder
    >>> tuple(ImageEncoder(filters=(4, 8))(np.zeros((2, 16, 20, 3))).shape)
    (2, 4, 5, 8)
    """

    def __init__(
        self,
        filters: Sequence[int] = (16, 48, 128),
        blocks: int | Sequence[int] | None = None,
        coordinates: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(filters, (list, tuple)) or not filters:
            raise ValueError(f"filters: expected one number per stage, received {filters!r}.")
        for number in filters:
            check_positive("filters", number)
        check_flag("coordinates", coordinates)
        self.filters: tuple[int, ...] = tuple(filters)
        self.blocks = _blocks(blocks, len(filters))
        self.coordinates = coordinates
        policy = {"dtype": self.dtype_policy}
        self.stages: list[ConvolutionBlock] = []
        for stage, (size, count) in enumerate(zip(self.filters, self.blocks)):
            self.stages.append(ConvolutionBlock(size, strides=2, name=f"halve_{stage}", **policy))
            for block in range(count):
                name = f"stage_{stage}_block_{block}"
                self.stages.append(ConvolutionBlock(size, name=name, **policy))
        self._last = len(self.stages) - 1 - self.blocks[-1]

    def build(self, images_shape: Shape) -> None:
        shape: Any = tuple(images_shape)
        for i, stage in enumerate(self.stages):
            if self.coordinates and i == self._last:
                shape = (*shape[:-1], shape[-1] + 2)
            stage.build(shape)
            shape = stage.compute_output_shape(shape)
        self.built = True

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        check_shape("images", images, (None, None, None, 3), "a batch of colour images")
        # Centered, so that the first training steps need not move all biases.
        features = ops.cast(images, self.compute_dtype) / 127.5 - 1.0
        for i, stage in enumerate(self.stages):
            if self.coordinates and i == self._last:
                features = _with_coordinates(features)
            features = stage(features, training=training)
        return features

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        batch, *sizes, _ = images_shape
        for _ in self.filters:
            sizes = [None if size is None else -(-size // 2) for size in sizes]
        return (batch, *sizes, self.filters[-1])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "blocks": list(self.blocks),
            "coordinates": self.coordinates,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class ConvolutionBlock(layers.Layer):
    """`relu(norm(conv(x)))`, and with stride 1 `x + relu(norm(conv(x)))`.

    Source: He et al., "Identity Mappings in Deep Residual Networks", 2016, in
    its shortest form, with one convolution.

    Args:
        filters: the channels of the 3 x 3 convolution.
        strides: 1 keeps the size of the map and adds the input; 2 halves it.
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import ConvolutionBlock
    >>> tuple(ConvolutionBlock(6, strides=2)(np.ones((1, 5, 8, 3))).shape)
    (1, 3, 4, 6)
    """

    def __init__(
        self, filters: int, strides: Literal[1, 2] = 1, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        check_positive("filters", filters)
        check_choice("strides", strides, (1, 2))
        self.filters, self.strides = filters, strides
        policy = {"dtype": self.dtype_policy}
        self.convolution = layers.Conv2D(
            filters, 3, strides=strides, padding="same", use_bias=False, **policy
        )
        self.normalization = layers.BatchNormalization(**policy)

    def build(self, features_shape: Shape) -> None:
        if self.strides == 1:
            expected = (None, None, None, self.filters)
            shape = keras.KerasTensor(features_shape)
            check_shape("features", shape, expected, "as many channels as filters, which are added")
        self.convolution.build(features_shape)
        self.normalization.build(self.convolution.compute_output_shape(features_shape))
        self.built = True

    def call(self, features: Tensor, training: bool | None = None) -> Tensor:
        found = self.normalization(self.convolution(features), training=training)
        found = ops.relu(found)
        return features + found if self.strides == 1 else found

    def compute_output_shape(self, features_shape: Shape) -> Shape:
        return self.convolution.compute_output_shape(features_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


def backbone(
    name: str,
    image_size: tuple[int, int],
    weights: str | None = "imagenet",
    trainable: bool = False,
) -> keras.Model:
    """A network of `keras.applications` without its head, as the encoder of a `Captioner`.

    Images from 0 to 255 are preprocessed as the network expects them.

    Args:
        name: such as `"MobileNetV2"` or `"EfficientNetB0"`.
        image_size: height and width.
        weights: `"imagenet"`, which are downloaded once; a file; or None for
            random ones.
        trainable: whether it is trained further; if not, batch normalization is
            frozen too.

    Returns:
        A functional `keras.Model`, images `(B, H, W, 3)` to features
        `(B, h, w, D)`.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> from keras_attention.models import backbone
    >>> tuple(backbone("MobileNetV2", (64, 64), weights=None).output_shape)
    (None, 2, 2, 1280)
    """
    network = vars(keras.applications).get(name)
    if not callable(network):
        known = sorted(n for n, v in vars(keras.applications).items() if callable(v))
        raise ValueError(f"name: expected one of {', '.join(known)}, received {name!r}.")
    check_flag("trainable", trainable)
    # Not every public module has its networks as attributes: that of MobileNetV3 has not.
    path = f".{network.__module__.rpartition('.')[2]}"
    module = next(
        m
        for m in vars(keras.applications).values()
        if isinstance(m, ModuleType)
        and "preprocess_input" in vars(m)
        and (vars(m).get(name) is network or m.__name__.endswith(path))
    )
    images = keras.Input((*image_size, 3), name="images")
    body = network(include_top=False, weights=weights, input_shape=(*image_size, 3))
    body.trainable = trainable
    model = keras.Model(images, body(module.preprocess_input(images)), name=f"{name}_features")
    model.trainable = trainable
    return model


def _blocks(blocks: Any, stages: int) -> tuple[int, ...]:
    if blocks is None:
        return tuple(range(stages))
    each = (blocks,) * stages if isinstance(blocks, int) else blocks
    if not isinstance(each, (list, tuple)) or len(each) != stages:
        raise ValueError(
            f"blocks: expected one number, or one for each of {stages} stages, received {blocks!r}."
        )
    for number in each:
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError(f"blocks: expected integers of at least 0, received {number!r}.")
    return tuple(each)


def _with_coordinates(features: Tensor) -> Tensor:
    """The features with two more channels: row and column from -1 to 1."""
    batch, height, width = ops.shape(features)[:3]

    def coordinates(size: Tensor) -> Tensor:
        positions = ops.cast(ops.arange(size), features.dtype)
        last = ops.cast(ops.maximum(size - 1, 1), features.dtype)
        return 2.0 * positions / last - 1.0

    rows = ops.reshape(coordinates(height), (1, -1, 1, 1))
    columns = ops.reshape(coordinates(width), (1, 1, -1, 1))
    shape = (batch, height, width, 1)
    parts = [features, ops.broadcast_to(rows, shape), ops.broadcast_to(columns, shape)]
    return ops.concatenate(parts, axis=-1)
