"""Retina: image patches around a location, sharp at the center and coarse around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import (
    check_positive,
    check_positive_number,
    check_rank,
    check_shape,
    score_dtype,
)
from keras_attention._core.renamed import RenamedCallArguments
from keras_attention._core.types import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack


def to_pixels(locations: Tensor, height: int | Tensor, width: int | Tensor) -> Tensor:
    """Converts locations in [-1, 1] to pixel coordinates; pixel 0 has its center at 0.

    Args:
        locations: `(..., 2)`, row and column.
        height, width: of the image, in pixels.

    Returns:
        `(..., 2)`, row and column in pixels.
    """
    side = ops.convert_to_tensor([height, width], dtype=locations.dtype)
    return (locations + 1) / 2 * side - 0.5


@keras.saving.register_keras_serializable(package="keras_attention")
class Retina(RenamedCallArguments):
    """Extracts square patches around given locations at several scales.

    The patch of scale s consists of `size` by `size` cells that are each
    `growth ** s` pixels wide. All patches have the same number of cells: the
    first covers a small part of the image at full resolution, the last a large
    part at low resolution. A cell is the mean of the image over its area.
    Pixels that it covers in part count in part, and the image is zero outside:

        patch_ij = sum_kl row_ik column_jl image_kl
        row_ik   = overlap of cell i and pixel k / width of cell i

    At the first scale, where cells are as large as pixels, this is bilinear
    interpolation. A location is `(row, column)`: -1 is the upper or left edge
    of the image (not the center of its first pixel), and 1 the lower or right
    edge, so that a location does not depend on the resolution.

    The patches are differentiable with respect to the locations, as in a
    spatial transformer; `GlimpseRNN` does not use this.

    Source: Mnih, Heess, Graves and Kavukcuoglu, "Recurrent Models of Visual
    Attention", 2014, section 3.1, the glimpse sensor.

    Args:
        size: cells along a side of a patch.
        scales: number of patches.
        growth: ratio of the cell widths of successive scales.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        images: `(B, H, W, C)`.
        locations: `(B, 2)`, row and column in [-1, 1].

    Returns:
        The patches `(B, scales, size, size, C)`.

    Raises:
        ValueError: if a size is not positive, or if images or locations do not
            have fitting shapes.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> patches = vision.Retina(size=2, scales=2)(image, np.zeros((1, 2)))
    >>> patches[0, 0, :, :, 0].numpy().tolist(), patches[0, 1, :, :, 0].numpy().tolist()
    ([[5.0, 6.0], [9.0, 10.0]], [[2.5, 4.5], [10.5, 12.5]])
    """

    def __init__(
        self, size: int = 8, scales: int = 3, growth: float = 2.0, **kwargs: Unpack[LayerOptions]
    ) -> None:
        # In half precision a location would be off by up to a pixel.
        super().__init__(**{"autocast": False, **kwargs})
        self.size = check_positive("size", size)
        self.scales = check_positive("scales", scales)
        self.growth = check_positive_number("growth", growth)

    def build(self, images_shape: Shape, locations_shape: Shape | None = None) -> None:
        self.built = True

    def call(self, images: Tensor, locations: Tensor) -> Tensor:
        images = ops.convert_to_tensor(images, dtype=self.compute_dtype)
        locations = ops.convert_to_tensor(locations)
        self._check(images, locations)
        locations = ops.cast(locations, score_dtype(self.compute_dtype))
        height, width = ops.shape(images)[1:3]
        centers = to_pixels(locations, height, width)
        rows = ops.cast(self._overlaps(centers[:, 0], height), images.dtype)
        columns = ops.cast(self._overlaps(centers[:, 1], width), images.dtype)
        lines = ops.einsum("bsik,bklc->bsilc", rows, images)
        return ops.einsum("bsjl,bsilc->bsijc", columns, lines)

    def _overlaps(self, centers: Tensor, pixels: int | Tensor) -> Tensor:
        """`(B, scales, size, pixels)`: the share of each cell that each pixel covers."""
        dtype = centers.dtype
        widths = ops.convert_to_tensor([self.growth**s for s in range(self.scales)], dtype=dtype)
        widths = ops.reshape(widths, (1, self.scales, 1, 1))
        cells = ops.arange(self.size, dtype=dtype) - (self.size - 1) / 2
        cells = ops.reshape(cells, (1, 1, self.size, 1)) * widths
        cells = cells + ops.reshape(centers, (-1, 1, 1, 1))
        pixel = ops.reshape(ops.arange(pixels, dtype=dtype), (1, 1, 1, -1))
        end = ops.minimum(pixel + 0.5, cells + widths / 2)
        start = ops.maximum(pixel - 0.5, cells - widths / 2)
        return ops.maximum(end - start, 0.0) / widths

    def _check(self, images: Tensor, locations: Tensor) -> None:
        check_rank("images", images, (4,), "(batch, height, width, channels)")
        check_shape("locations", locations, (images.shape[0], 2), "a row and a column per image")

    def compute_output_spec(self, images: Tensor, locations: Tensor) -> Tensor:
        self._check(images, locations)
        shape = self.compute_output_shape(images.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_output_shape(
        self, images_shape: Shape, locations_shape: Shape | None = None
    ) -> Shape:
        return (images_shape[0], self.scales, self.size, self.size, images_shape[-1])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "size": self.size,
            "scales": self.scales,
            "growth": self.growth,
        }
