"""Attention maps as an overlay on an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_attention._core.types import Tensor
from keras_attention.plots.arrays import as_array, as_numbers

Floats = NDArray[np.float64]

# Brightness of the parts without attention, which are drawn without color.
DIM = 0.5
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def colors_of(image: Tensor) -> Floats:
    """The image as `(H, W, 3)` colors from 0 to 1; raises ValueError for other images."""
    pixels = as_numbers("image", image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise ValueError(
            "image: expected one image (H, W, 3), or (H, W) in grey, received shape "
            f"{np.shape(image)}."
        )
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(
            f"image: expected numbers from 0 to 255, received {pixels.min()} to {pixels.max()}."
        )
    if 0 < pixels.max() <= 1 and as_array(image).dtype.kind not in "bu":
        raise ValueError(
            "image: expected numbers from 0 to 255, as the models take them, received at most "
            f"{pixels.max():.3g}. Multiply an image of 0 to 1 by 255."
        )
    return np.broadcast_to(pixels / 255.0, (*pixels.shape[:2], 3))


def checked_maps(maps: Tensor, words: int) -> Floats:
    """The first `words` maps as float64 `(T, h, w)`; raises ValueError if they do not fit."""
    maps = as_numbers("maps", maps)
    shape = maps.shape
    if maps.ndim != 3 or 0 in shape[1:]:
        raise ValueError(
            f"maps: expected one map (h, w) per word, (T, h, w), received shape {shape}. "
            "A captioning model's as_maps makes them of (T, h*w)."
        )
    if len(maps) < words:
        raise ValueError(
            f"maps: expected at least {words}, one per word, received {len(maps)}, shape {shape}."
        )
    maps = maps[:words]
    if not np.isfinite(maps).all() or maps.min() < 0:
        raise ValueError("maps: expected finite numbers of at least 0, received others.")
    return maps


def checked_words(given: Sequence[str | bytes]) -> list[str]:
    """The words as strings, without the empty ones at the end."""
    if isinstance(given, (str, bytes)):
        raise TypeError(
            f"words: expected a list with one string per map, received {given!r}. The tokens of "
            "the model are the words that have maps."
        )
    words = [word.decode("utf-8") if isinstance(word, bytes) else word for word in given]
    for word in words:
        if not isinstance(word, str):
            raise TypeError(
                f"words: expected strings, received {word!r} of type {type(word).__name__}."
            )
    while words and not words[-1]:
        words.pop()
    if not words:
        raise ValueError("words: expected at least one, received none.")
    return words


def brightness_of(
    maps: Floats, size: Sequence[int], smooth: float = 0.75, vmax: float | None = None
) -> Floats:
    """Upsamples maps `(T, h, w)` to the brightness `(T, H, W)` of each pixel, from 0 to 1.

    The weight of a pixel is the mean of the weights of the map, each multiplied
    by a Gaussian of its distance in cells. A constant map stays constant,
    nothing overshoots, and a peak stays where it is.
    """
    for name, value in (("smooth", smooth), ("vmax", 1 if vmax is None else vmax)):
        if not value > 0 and not (name == "smooth" and value == 0):
            limit = "of at least 0" if name == "smooth" else "above 0 or None"
            raise ValueError(f"{name}: expected a number {limit}, received {value!r}.")
    down, across = (_spread(n, cells, smooth) for n, cells in zip(size, maps.shape[1:]))
    spread = down @ maps @ across.T
    if vmax is None:
        largest = spread.max(axis=(1, 2), keepdims=True)
        return np.clip(spread / np.where(largest > 0, largest, 1.0), 0.0, 1.0)
    return np.clip(spread / vmax, 0.0, 1.0)


def lit(colors: Floats, brightness: Floats) -> Floats:
    """The image in color where the brightness is 1, gray and dark where it is 0."""
    dark: Floats = DIM * (colors @ np.array(_LUMINANCE))[..., None]
    return dark + brightness[..., None] * (colors - dark)


def peak(weights: Floats, size: Sequence[int]) -> tuple[float, float]:
    """`(y, x)` in pixels: the center of the cell with the largest weight."""
    cell = np.unravel_index(np.argmax(weights), weights.shape)
    y, x = ((i + 0.5) * n / cells for i, n, cells in zip(cell, size, weights.shape))
    return float(y), float(x)


def _spread(pixels: int, cells: int, smooth: float) -> Floats:
    """`(pixels, cells)`: the share of each cell in each pixel; rows sum to 1."""
    at = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    distance = at[:, None] - np.arange(cells)
    if not smooth:
        return (np.abs(distance) == np.abs(distance).min(axis=1, keepdims=True)) * 1.0
    logits = -0.5 * (distance / smooth) ** 2
    counts = np.exp(logits - logits.max(axis=1, keepdims=True))
    return counts / counts.sum(axis=1, keepdims=True)
