"""Retina: what an eye sees that is sharp in the middle and coarse around it."""

import keras
from keras import ops

from keras_attention._core.checks import (
    check_positive,
    check_positive_number,
    check_rank,
    check_shape,
    score_dtype,
)


def to_pixels(places, height, width):
    """Places `(..., 2)` from -1 to 1 as rows and columns, where pixel 0 has its middle at 0."""
    side = ops.convert_to_tensor([height, width], dtype=places.dtype)
    return (places + 1) / 2 * side - 0.5


@keras.saving.register_keras_serializable(package="keras_attention")
class Retina(keras.layers.Layer):
    """Cuts square patches out of images, around places of one's choice, at several scales.

    The patch of scale s has `size` by `size` cells, each as wide as
    `growth ** s` pixels: all scales have as many numbers, the first shows
    little of the image sharply, the last much of it coarsely. A cell is the
    mean of the image over its area, with the parts of the pixels that it
    covers only in part, and what lies outside the image as zero:

        patch_ij = sum_kl row_ik column_jl image_kl
        row_ik   = overlap of cell i and pixel k / width of cell i

    At the first scale, where a cell is as large as a pixel, that is bilinear
    interpolation. A place is `(row, column)`; -1 is the upper or left edge of
    the image, not the middle of its first pixel, and 1 the lower or right one.
    An image of twice the resolution is therefore looked at in the same place.

    The patches are differentiable with respect to the places too, as in a
    spatial transformer; `GlimpseRNN` does not make use of that.

    Source: Mnih, Heess, Graves and Kavukcuoglu, "Recurrent Models of Visual
    Attention", 2014, section 3.1, the glimpse sensor.

    Args:
        size: cells along a side of a patch.
        scales: how many patches.
        growth: how much wider the cells of the next scale are.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        images: `(B, H, W, C)`.
        places: `(B, 2)`, row and column from -1 to 1.

    Returns:
        The patches `(B, scales, size, size, C)`.

    Raises:
        ValueError: for sizes that are not positive, and images or places that
            do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> patches = vision.Retina(size=2, scales=2)(image, np.zeros((1, 2)))
    >>> patches[0, 0, :, :, 0].numpy().tolist(), patches[0, 1, :, :, 0].numpy().tolist()
    ([[5.0, 6.0], [9.0, 10.0]], [[2.5, 4.5], [10.5, 12.5]])
    """

    def __init__(self, size=8, scales=3, growth=2.0, **kwargs):
        # In half precision a place is off by up to a pixel.
        super().__init__(**{"autocast": False, **kwargs})
        check_positive("size", size)
        check_positive("scales", scales)
        check_positive_number("growth", growth)
        self.size, self.scales, self.growth = size, scales, growth

    def build(self, images_shape, places_shape=None):
        self.built = True

    def call(self, images, places):
        images = ops.convert_to_tensor(images, dtype=self.compute_dtype)
        places = ops.convert_to_tensor(places)
        self._check(images, places)
        places = ops.cast(places, score_dtype(self.compute_dtype))
        height, width = ops.shape(images)[1:3]
        middles = to_pixels(places, height, width)
        rows = ops.cast(self._overlaps(middles[:, 0], height), images.dtype)
        columns = ops.cast(self._overlaps(middles[:, 1], width), images.dtype)
        lines = ops.einsum("bsik,bklc->bsilc", rows, images)
        return ops.einsum("bsjl,bsilc->bsijc", columns, lines)

    def _overlaps(self, middles, pixels):
        """`(B, scales, size, pixels)`: how much of a cell each pixel makes up."""
        dtype = middles.dtype
        widths = ops.convert_to_tensor([self.growth**s for s in range(self.scales)], dtype=dtype)
        widths = ops.reshape(widths, (1, self.scales, 1, 1))
        cells = ops.arange(self.size, dtype=dtype) - (self.size - 1) / 2
        cells = ops.reshape(cells, (1, 1, self.size, 1)) * widths
        cells = cells + ops.reshape(middles, (-1, 1, 1, 1))
        pixel = ops.reshape(ops.arange(pixels, dtype=dtype), (1, 1, 1, -1))
        end = ops.minimum(pixel + 0.5, cells + widths / 2)
        start = ops.maximum(pixel - 0.5, cells - widths / 2)
        return ops.maximum(end - start, 0.0) / widths

    def _check(self, images, places):
        check_rank("images", images, (4,), "(batch, height, width, channels)")
        check_shape("places", places, (images.shape[0], 2), "a row and a column an image")

    def compute_output_spec(self, images, places):
        self._check(images, places)
        shape = self.compute_output_shape(images.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_output_shape(self, images_shape, places_shape=None):
        return (images_shape[0], self.scales, self.size, self.size, images_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "scales": self.scales,
            "growth": self.growth,
        }
