"""The glimpses of an image: their path and their patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.plots.arrays import as_array
from keras_attention.plots.panels import add_panel, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from keras_attention.vision import Retina

    Floats = NDArray[np.float32]
    # (top, left, bottom, right) in pixels.
    Box = tuple[float, float, float, float]

_PANEL = 1.35  # side of the panel of a glimpse, in inches
_IMAGE = 2.0  # longer side of the image, in inches
_BOX = "#2f9e44"
# Colors of the first and of the last glimpse.
_FIRST, _LAST = np.array([0.98, 0.72, 0.20]), np.array([0.76, 0.10, 0.34])


def plot_glimpses(
    image: Tensor,
    locations: Tensor,
    retina: Retina,
    labels: Sequence[str] | None = None,
    box: Box | None = None,
    title: str | None = None,
    cmap: str | Colormap = "gray_r",
) -> Figure:
    """Draws the path of the glimpses over an image, and one panel per glimpse.

    In the image a numbered square marks the area of each glimpse at the first
    scale of the retina; lines from yellow to red connect them. A panel shows
    all scales of one glimpse on top of each other, the finest one on top: the
    whole input of the network at this step. A gray line marks the border of
    the image, outside of which the input is zero.

    The figure is independent of `matplotlib.pyplot`: see `plot_attention`.

    Args:
        image: `(H, W)`, `(H, W, 1)` or `(H, W, 3)`, as the network takes it.
        locations: `(T, 2)`, row and column in [-1, 1].
        retina: the `keras_attention.vision.Retina` of the network.
        labels: T strings, shown above each panel after its number, such as
            `"7, 93 %"`, or None.
        box: `(top, left, bottom, right)` in pixels, drawn into the image, or
            None.
        title: title of the image, or None.
        cmap: a matplotlib colormap or its name, for an image with one channel;
            by default 0 is white.

    Returns:
        A `matplotlib.figure.Figure` whose size follows from the number of
        glimpses.

    Raises:
        ValueError: if the image or the locations have another shape or values
            that are not finite, or if there are another number of labels than
            of locations.
        ImportError: without the extra `plots`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.plots import plot_glimpses
    >>> from keras_attention.vision import Retina
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> figure = plot_glimpses(image, [(0, 0), (0.5, -0.2)], Retina(8, 2), ["3", "7"])
    >>> [axes.get_title() for axes in figure.axes]
    ['', '1:  3', '2:  7']
    """
    image, locations = _checked(image, locations)
    if labels is not None and len(labels) != len(locations):
        raise ValueError(
            f"labels: expected one for each of {len(locations)} glimpses, received {len(labels)}."
        )
    height, width = image.shape[:2]
    patches = retina(np.broadcast_to(image, (len(locations), *image.shape)), locations)
    patches = as_array(patches).astype("float32")
    # The edges of pixels have integer coordinates, as in boxes.
    centers = (locations + 1) / 2 * (height, width)
    mix = np.linspace(0.0, 1.0, len(locations))[:, None]
    colors = (1 - mix) * _FIRST + mix * _LAST
    low, high = min(image.min(), 0.0), image.max()
    shown: dict[str, Any] = {"cmap": cmap, "vmin": low, "vmax": high if high > low else low + 1.0}

    tall, wide = (_IMAGE * n / max(height, width) for n in (height, width))
    above, gap, margin = 0.26, 0.1, 0.08  # inches
    rows = -(-len(locations) // 4)
    most = -(-len(locations) // rows)
    side = _PANEL if rows == 1 else 0.5 * (_IMAGE - above)
    body = max(tall, rows * side + (rows - 1) * above)
    full_width = 2 * margin + wide + most * (side + gap)
    full_height = above + body + margin
    figure, _ = make_figure(full_width, full_height)

    axes = add_panel(figure, (margin, above, wide, tall), title, 9, "0.6", 0.5)
    _show(axes, image, (0, width, height, 0), shown)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    if box is not None:
        _draw_box(axes, box, _BOX, 1.4)
    _draw_path(axes, centers, colors, retina.size)

    for i, (center, color) in enumerate(zip(centers, colors)):
        row, column = divmod(i, most)
        left = margin + wide + gap + column * (side + gap)
        text = f"{i + 1}:  {labels[i]}" if labels is not None and labels[i] else f"{i + 1}"
        rectangle = (left, above + row * (side + above), side, side)
        axes = add_panel(figure, rectangle, text, 9, color, 1.6)
        for scale in reversed(range(retina.scales)):
            half = retina.size * retina.growth**scale / 2
            extent = (center[1] - half, center[1] + half, center[0] + half, center[0] - half)
            _show(axes, patches[i, scale], extent, shown)
        # The limits are those of the finest scale, which was drawn last.
        half = retina.size * max(1.0, retina.growth ** (retina.scales - 1)) / 2
        _draw_box(axes, (0, 0, height, width), "0.8", 0.8)
        axes.set_xlim(center[1] - half, center[1] + half)
        axes.set_ylim(center[0] + half, center[0] - half)
    return figure


def _show(
    axes: Axes,
    pixels: Floats,
    extent: tuple[float, float, float, float],
    shown: dict[str, Any],
) -> None:
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    else:
        pixels = np.clip((pixels - shown["vmin"]) / (shown["vmax"] - shown["vmin"]), 0.0, 1.0)
    axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto", **shown)


def _draw_path(axes: Axes, centers: Floats, colors: Floats, side: int) -> None:
    for start, end, color in zip(centers, centers[1:], colors[1:]):
        axes.plot(*zip(start[::-1], end[::-1]), color=color, lw=1.2, alpha=0.9)
    effects = require("matplotlib.patheffects", "plots")
    for i, (center, color) in enumerate(zip(centers, colors)):
        half = side / 2
        box = (center[0] - half, center[1] - half, center[0] + half, center[1] + half)
        _draw_box(axes, box, color, 1.3)
        number = axes.text(
            center[1], center[0], str(i + 1), size=7.5, color=color, ha="center", va="center"
        )
        number.set_clip_on(True)
        number.set_path_effects([effects.withStroke(linewidth=2, foreground="white")])


def _draw_box(axes: Axes, box: Box, color: Any, line: float) -> None:
    patches = require("matplotlib.patches", "plots")
    top, left, bottom, right = box
    axes.add_patch(
        patches.Rectangle((left, top), right - left, bottom - top, fill=False, ec=color, lw=line)
    )


def _checked(image: Tensor, locations: Tensor) -> tuple[Floats, Floats]:
    image, locations = (as_array(given).astype("float32") for given in (image, locations))
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or not image.size:
        raise ValueError(
            f"image: expected one image (H, W) or (H, W, 1 or 3), received shape {image.shape}."
        )
    if locations.ndim != 2 or locations.shape[-1] != 2 or not len(locations):
        raise ValueError(
            "locations: expected those of one image, a row and a column per glimpse, received "
            f"shape {locations.shape}."
        )
    for name, numbers in (("image", image), ("locations", locations)):
        if not np.isfinite(numbers).all():
            raise ValueError(f"{name}: expected finite numbers, received others.")
    return image, locations
