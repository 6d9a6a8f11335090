"""Image encoders: an image becomes a map of feature vectors, one a place."""

import keras
from keras import layers, ops

from keras_attention._core.checks import check_choice, check_flag, check_positive, check_shape


@keras.saving.register_keras_serializable(package="keras_attention")
class ImageEncoder(layers.Layer):
    """A small convolutional network that gives a map of features.

    Every stage halves the map by a strided convolution and goes on with
    residual convolutions, all 3 x 3 with batch normalization and ReLU. The last
    stage also reads where it is: two channels hold each place's coordinates,
    from -1 to 1, since a caption speaks of places and convolutions see none.

    Sources: He et al., "Deep Residual Learning for Image Recognition", 2016;
    the coordinates: Liu et al., "An Intriguing Failing of Convolutional Neural
    Networks and the CoordConv Solution", 2018.

    Args:
        filters: of each stage; the last is the size of the features.
        blocks: how many residual blocks follow each halving: one number for all,
            or one a stage; by default none after the first, one after the second,
            and so on.
        coordinates: whether the last stage reads its places.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        images: `(B, H, W, 3)`, numbers from 0 to 255.
        training: whether batch normalization normalizes by the batch.

    Returns:
        Features `(B, h, w, filters[-1])`, h and w being H and W halved, upwards,
        once a stage.

    Raises:
        ValueError: for filters that are not positive integers, blocks that are not
            one a stage, and what is no image.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import ImageEncoder
    >>> tuple(ImageEncoder(filters=(4, 8))(np.zeros((2, 16, 20, 3))).shape)
    (2, 4, 5, 8)
    """

    def __init__(self, filters=(16, 48, 128), blocks=None, coordinates=True, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(filters, (list, tuple)) or not filters:
            raise ValueError(f"filters: expected one number a stage, received {filters!r}.")
        for number in filters:
            check_positive("filters", number)
        filters, blocks = tuple(filters), _blocks(blocks, len(filters))
        check_flag("coordinates", coordinates)
        self.filters, self.blocks, self.coordinates = filters, blocks, coordinates
        policy = {"dtype": self.dtype_policy}
        self.stages = []
        for stage, (size, count) in enumerate(zip(filters, blocks)):
            self.stages.append(ConvolutionBlock(size, strides=2, name=f"halve_{stage}", **policy))
            for block in range(count):
                name = f"stage_{stage}_block_{block}"
                self.stages.append(ConvolutionBlock(size, name=name, **policy))
        self._last = len(self.stages) - 1 - blocks[-1]

    def build(self, images_shape):
        shape = tuple(images_shape)
        for place, stage in enumerate(self.stages):
            if self.coordinates and place == self._last:
                shape = (*shape[:-1], shape[-1] + 2)
            stage.build(shape)
            shape = stage.compute_output_shape(shape)
        self.built = True

    def call(self, images, training=None):
        check_shape("images", images, (None, None, None, 3), "a batch of colour images")
        # Centred, so that the first step needs not move all biases.
        features = ops.cast(images, self.compute_dtype) / 127.5 - 1.0
        for place, stage in enumerate(self.stages):
            if self.coordinates and place == self._last:
                features = _with_coordinates(features)
            features = stage(features, training=training)
        return features

    def compute_output_shape(self, images_shape):
        batch, *sizes, _ = images_shape
        for _ in self.filters:
            sizes = [None if size is None else -(-size // 2) for size in sizes]
        return (batch, *sizes, self.filters[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "blocks": list(self.blocks),
            "coordinates": self.coordinates,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class ConvolutionBlock(layers.Layer):
    """`relu(norm(conv(x)))`, and where the shape stays, `x` plus that.

    Source: He et al., "Identity Mappings in Deep Residual Networks", 2016, in
    its shortest form, with one convolution.

    Args:
        filters: of the 3 x 3 convolution.
        strides: 1 keeps the map's size and adds the input; 2 halves it.
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import ConvolutionBlock
    >>> tuple(ConvolutionBlock(6, strides=2)(np.ones((1, 5, 8, 3))).shape)
    (1, 3, 4, 6)
    """

    def __init__(self, filters, strides=1, **kwargs):
        super().__init__(**kwargs)
        check_positive("filters", filters)
        check_choice("strides", strides, (1, 2))
        self.filters, self.strides = filters, strides
        policy = {"dtype": self.dtype_policy}
        self.convolution = layers.Conv2D(
            filters, 3, strides=strides, padding="same", use_bias=False, **policy
        )
        self.normalization = layers.BatchNormalization(**policy)

    def build(self, features_shape):
        if self.strides == 1:
            expected = (None, None, None, self.filters)
            shape = keras.KerasTensor(features_shape)
            check_shape("features", shape, expected, "as many channels as filters, to be added")
        self.convolution.build(features_shape)
        self.normalization.build(self.convolution.compute_output_shape(features_shape))
        self.built = True

    def call(self, features, training=None):
        found = self.normalization(self.convolution(features), training=training)
        found = ops.relu(found)
        return features + found if self.strides == 1 else found

    def compute_output_shape(self, features_shape):
        return self.convolution.compute_output_shape(features_shape)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


def backbone(name, image_size, weights="imagenet", trainable=False):
    """A network of `keras.applications` without its head, as the encoder of a `Captioner`.

    Images come in from 0 to 255 and are put as that network expects them.

    Args:
        name: such as `"MobileNetV2"` or `"EfficientNetB0"`.
        image_size: height and width.
        weights: `"imagenet"`, which downloads them once; a file; or None for
            random ones.
        trainable: whether it learns on; if not, batch normalization stays as it
            was learnt too.

    Returns:
        A functional `keras.Model`, images `(B, H, W, 3)` to features
        `(B, h, w, D)`.

    Raises:
        ValueError: for a name that is not there.

    Example:

    >>> from keras_attention.models import backbone
    >>> tuple(backbone("MobileNetV2", (64, 64), weights=None).output_shape)
    (None, 2, 2, 1280)
    """
    network = getattr(keras.applications, name, None)
    if not callable(network):
        known = sorted(n for n, v in vars(keras.applications).items() if callable(v))
        raise ValueError(f"name: expected one of {', '.join(known)}, received {name!r}.")
    check_flag("trainable", trainable)
    # Not every public module names its networks: that of MobileNetV3 does not.
    path = f".{network.__module__.rpartition('.')[2]}"
    module = next(
        m
        for m in vars(keras.applications).values()
        if hasattr(m, "preprocess_input")
        and (getattr(m, name, None) is network or m.__name__.endswith(path))
    )
    images = keras.Input((*image_size, 3), name="images")
    body = network(include_top=False, weights=weights, input_shape=(*image_size, 3))
    body.trainable = trainable
    model = keras.Model(images, body(module.preprocess_input(images)), name=f"{name}_features")
    model.trainable = trainable
    return model


def _blocks(blocks, stages):
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


def _with_coordinates(features):
    """The features with two channels more: how far down and how far right, from -1 to 1."""
    batch, height, width = ops.shape(features)[:3]

    def along(size):
        places = ops.cast(ops.arange(size), features.dtype)
        last = ops.cast(ops.maximum(size - 1, 1), features.dtype)
        return 2.0 * places / last - 1.0

    down = ops.broadcast_to(ops.reshape(along(height), (1, -1, 1, 1)), (batch, height, width, 1))
    right = ops.broadcast_to(ops.reshape(along(width), (1, 1, -1, 1)), (batch, height, width, 1))
    return ops.concatenate([features, down, right], axis=-1)
