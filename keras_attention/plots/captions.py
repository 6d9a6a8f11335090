"""A caption with its attention: one panel per word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.plots import overlay, panels
from keras_attention.plots.labels import drawable, fonts, label_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    # (top, left, bottom, right) in pixels.
    Box = tuple[float, float, float, float]

_PANEL = 1.35  # the longer side of an image, in inches
_BOX = "#ffd23f"
_BLUE = "#3b6cb4"


def plot_caption(
    image: Tensor,
    words: Sequence[str | bytes],
    maps: Tensor,
    title: str | None = None,
    boxes: Sequence[Box | None] | None = None,
    peaks: bool = False,
    columns: int | None = None,
    vmax: float | None = None,
    smooth: float = 0.75,
) -> Figure:
    """Draws an image and one panel per word that shows the attention of the word.

    A panel is in color where the attention is, and gray and dark elsewhere, as
    in figure 5 of Xu et al. (2015, "Show, Attend and Tell"). The cells of a map
    are smoothed by a Gaussian, and a line surrounds the area with more than
    half of the largest weight. Uniform attention shows the whole image in
    color.

    The figure is independent of `matplotlib.pyplot`, and words may be of any
    script: see `plot_attention`.

    Args:
        image: `(H, W, 3)` numbers from 0 to 255, as models take them, or
            `(H, W)` in gray.
        words: T words, strings or UTF-8 bytes. Empty strings at the end, with
            which exported models pad, are left out.
        maps: attention maps `(T, h, w)`. Maps beyond those of the words, such
            as that of the end token, are left out.
        title: title of the figure, or None.
        boxes: one box `(top, left, bottom, right)` in pixels per word, which is
            drawn into its panel; None for a word without a box.
        peaks: whether to mark the cell with the largest weight.
        columns: panels per row; by default at most 6, in rows of equal length.
        vmax: the weight that is shown in full color, for all panels; None takes
            the largest weight of each map.
        smooth: standard deviation of the Gaussian in cells of the map; 0 draws
            the cells as they are.

    Returns:
        A `matplotlib.figure.Figure` whose size follows from the number of
        panels.

    Raises:
        ValueError: if the image or maps have another shape or other values, if
            there are fewer maps than words, no words, or another number of
            boxes than of words, or if a setting is out of range.
        TypeError: if words are not strings.
        ImportError: without the extra `plots`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.plots import plot_caption
    >>> image = np.full((96, 96, 3), 200, "uint8")
    >>> maps = np.random.default_rng(0).dirichlet(np.ones(144), 3).reshape(3, 12, 12)
    >>> figure = plot_caption(image, ["a", "red", "apple"], maps)
    >>> [axes.get_title() for axes in figure.axes]
    ['', 'a', 'red', 'apple']
    """
    colors, tokens = overlay.colors_of(image), overlay.checked_words(words)
    maps = overlay.checked_maps(maps, len(tokens))
    boxes = _checked_boxes(boxes, len(tokens))
    size = colors.shape[:2]
    brightness = overlay.brightness_of(maps, size, smooth, vmax)
    if columns is not None:
        columns = check_positive("columns", columns)

    count = len(tokens) + 1
    rows = -(-count // (columns or 6))
    per_row = min(columns or -(-count // rows), count)
    height, width = (_PANEL * n / max(size) for n in size)
    above, gap, margin = 0.24, 0.1, 0.08  # inches
    full_width = 2 * margin + per_row * width + (per_row - 1) * gap
    heading = 0.24 if title else 0.0
    full_height = heading + rows * (height + above) + (rows - 1) * 0.04 + margin
    figure, _ = panels.make_figure(full_width, full_height)
    if title:
        figure.text(
            0.5,
            1 - 0.08 / full_height,
            drawable(title),
            size=10.5,
            color="0.1",
            ha="center",
            va="top",
            parse_math=False,
            **fonts(title),
        )

    def add_panel(number: int, pixels: overlay.Floats, word: str) -> Axes:
        row, column = divmod(number, per_row)
        left = margin + column * (width + gap)
        top = heading + above + row * (height + above + 0.04)
        rectangle = (left, top, width, height)
        axes = panels.add_panel(figure, rectangle, label_of(word), 10, "0.6", 0.5)
        # The edges of pixels have integer coordinates, as in boxes.
        extent = (0, size[1], size[0], 0)
        axes.imshow(pixels, extent=extent, interpolation="bilinear", aspect="auto")
        return axes

    add_panel(0, colors, "")
    for i, word in enumerate(tokens):
        axes = add_panel(i + 1, overlay.lit(colors, brightness[i]), word)
        _surround(axes, brightness[i])
        if (box := boxes[i]) is not None:
            _draw_box(axes, box)
        if peaks and maps[i].any():
            y, x = overlay.peak(maps[i], size)
            for color, weight in (("0.1", 3.2), ("white", 1.6)):
                axes.plot(x, y, "+", color=color, ms=8, mew=weight, scalex=False, scaley=False)
    return figure


def _checked_boxes(given: Sequence[Box | None] | None, words: int) -> list[Box | None]:
    boxes: list[Box | None] = [None] * words if given is None else list(given)
    if len(boxes) != words:
        raise ValueError(
            f"boxes: expected one, or None, for each of {words} words, received {len(boxes)}."
        )
    for box in boxes:
        if box is not None and (len(box) != 4 or not (box[0] < box[2] and box[1] < box[3])):
            raise ValueError(
                f"boxes: expected (top, left, bottom, right) with an area, received {box!r}."
            )
    return boxes


def _surround(axes: Axes, brightness: overlay.Floats) -> None:
    half = brightness.max() / 2
    if not brightness.min() < half < brightness.max():
        return  # uniform: there is no line
    y, x = (np.arange(n) + 0.5 for n in brightness.shape)
    axes.contour(x, y, brightness, levels=[half], colors="white", linewidths=0.8, alpha=0.8)


def _draw_box(axes: Axes, box: Box) -> None:
    patches = require("matplotlib.patches", "plots")
    top, left, bottom, right = box
    for color, width in (("0.1", 2.6), (_BOX, 1.3)):
        axes.add_patch(
            patches.Rectangle(
                (left, top), right - left, bottom - top, fill=False, ec=color, lw=width
            )
        )
