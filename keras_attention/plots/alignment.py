"""An alignment as a heat map: the attention weights of each target token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_attention._core.types import Tensor
from keras_attention.plots.colors import colormap, is_dark
from keras_attention.plots.labels import drawable, extent, fonts, label_of
from keras_attention.plots.panels import bounds, make_figure
from keras_attention.plots.tokens import clipped, scale_of, tokens_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

_GAP = 0.1  # between parts of the figure, in inches


def plot_attention(
    weights: Tensor,
    source_tokens: Sequence[str | bytes],
    target_tokens: Sequence[str | bytes],
    title: str | None = None,
    source_label: str | None = "source",
    target_label: str | None = "target",
    colorbar_label: str = "attention weight",
    vmax: float | None = 1.0,
    cmap: str | Colormap | None = None,
    show_values: bool = False,
) -> Figure:
    """Draws an alignment as a heat map: one row per target token, one column per source token.

    The figure is independent of `matplotlib.pyplot`: it opens no window and
    need not be closed. Save it with `figure.savefig(path)`; a notebook shows
    it as the last expression of a cell.

    Tokens may be of any script: fonts are chosen from the installed ones. A
    character that no font has is shown as its code point, such as U+4E2D.
    Spaces at the ends of a token are shown as an open box.

    Args:
        weights: `(T, S)`, of one sequence. Rows and columns beyond the tokens,
            such as padding and the step that decoded the end token, are left
            out.
        source_tokens: the source tokens, strings or UTF-8 bytes. A string
            stands for its characters. Empty strings at the end, with which
            exported models pad, are left out.
        target_tokens: the target tokens, likewise.
        title: title of the figure, or None.
        source_label: label of the horizontal axis, or None.
        target_label: label of the vertical axis, or None.
        colorbar_label: label of the color bar.
        vmax: the weight of the darkest color; None takes the largest weight.
        cmap: a matplotlib colormap or its name; by default from white to
            indigo, perceptually uniform.
        show_values: whether to write the weights into the cells.

    Returns:
        A `matplotlib.figure.Figure` whose size follows from the number of
        tokens.

    Raises:
        ValueError: if the weights are not a finite matrix or have fewer rows
            or columns than there are tokens, if there are no tokens, or if
            `vmax` is not above 0.
        TypeError: if tokens are not strings.
        ImportError: without the extra `plots`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.plots import plot_attention
    >>> figure = plot_attention(np.eye(3), "cat", ["K", "AE", "T"], title="cat")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['K', 'AE', 'T']
    """
    source = tokens_of("source_tokens", source_tokens)
    target = tokens_of("target_tokens", target_tokens)
    weights = clipped(weights, len(target), len(source))
    vmax = scale_of(vmax, weights)

    # The final size is known when the labels are measured.
    figure, canvas = make_figure(6.0, 6.0)
    axes, bar_axes = figure.add_axes((0.1, 0.1, 0.5, 0.5)), figure.add_axes((0.7, 0.1, 0.1, 0.5))

    if cmap is None:
        cmap = colormap()
    rows, columns = weights.shape
    cell = float(np.clip(7.0 / max(rows, columns), 0.24, 0.46))  # inches
    size = float(np.clip(cell * 72 * 0.48, 7.5, 11.0))  # points

    image = axes.imshow(weights, cmap=cmap, vmin=0.0, vmax=vmax, aspect="auto")
    _hairlines(axes, rows, columns)
    above = _label_axis(axes.xaxis, source, size, cell, canvas)
    beside = _label_axis(axes.yaxis, target, size, None, canvas)
    if show_values:
        _write_values(axes, image, weights, min(size, cell * 72 * 0.34))
    bar = figure.colorbar(image, cax=bar_axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, width=0.5, labelsize=8, colors="0.25")
    bar.set_label(drawable(colorbar_label), size=9, color="0.25", **fonts(colorbar_label))

    name = size / 72 + _GAP
    top = _GAP + above + (name if source_label else 0.0)
    left = _GAP + beside + (name if target_label else 0.0)
    _lay_out(figure, canvas, (left, top, columns * cell, rows * cell), title, size + 2)
    small: dict[str, Any] = {"size": size, "color": "0.4", "parse_math": False}
    if source_label:
        axes.set_xlabel(drawable(source_label), labelpad=4, **small, **fonts(source_label))
        axes.xaxis.set_label_position("top")
    if target_label:
        axes.set_ylabel(drawable(target_label), labelpad=4, **small, **fonts(target_label))
    return figure


def _lay_out(
    figure: Figure,
    canvas: FigureCanvasAgg,
    rectangle: tuple[float, float, float, float],
    title: str | None,
    title_size: float,
) -> None:
    """Sets the size of the figure, places heat map and color bar, and adds the title.

    The layout is in inches, so that cells are square and labels have enough room.

    Args:
        figure: a figure with the axes of the heat map and of the color bar.
        canvas: measures the title.
        rectangle: left, top, width and height of the heat map, without title.
        title: or None.
        title_size: in points.
    """
    left, top, width, height = rectangle
    bar_height = max(height, 1.4)
    full_width = left + width + 0.2 + 0.14 + 0.65
    heading, heading_width = None, 0.0
    if title:
        heading = figure.text(
            0, 0, drawable(title), size=title_size, color="0.1", parse_math=False, **fonts(title)
        )
        heading_width, heading_height = extent(heading, canvas)
        top += heading_height + 1.5 * _GAP
        full_width = max(full_width, heading_width + 2 * _GAP)
    full_height = top + bar_height + _GAP
    figure.set_size_inches(full_width, full_height)
    axes, bar_axes = figure.axes
    axes.set_position(bounds(figure, left, top, width, height))
    bar_axes.set_position(bounds(figure, left + width + 0.2, top, 0.14, bar_height))
    if heading is not None:
        half = heading_width / 2
        middle = np.clip(left + width / 2, _GAP + half, full_width - _GAP - half)
        heading.set_position((middle / full_width, 1 - _GAP / full_height))
        heading.set(ha="center", va="top")


def _hairlines(axes: Axes, rows: int, columns: int) -> None:
    for spine in axes.spines.values():
        spine.set(linewidth=0.5, color="0.7")
    axes.set_xticks(np.arange(1, columns) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, rows) - 0.5, minor=True)
    axes.grid(which="minor", color="0.5", linewidth=0.4, alpha=0.25)
    axes.tick_params(which="minor", length=0)


def _label_axis(
    axis: XAxis | YAxis,
    tokens: Sequence[str],
    size: float,
    cell: float | None,
    canvas: FigureCanvasAgg,
) -> float:
    """Labels the ticks, and returns the room in inches that the labels need."""
    texts = [label_of(token) for token in tokens]
    axis.set_ticks(range(len(tokens)), texts, size=size)
    axis.set_tick_params(which="major", length=0, pad=4, colors="0.1")
    if axis.axis_name == "x":
        axis.set_tick_params(labeltop=True, labelbottom=False)
        axis.set_tick_params(which="both", length=0)
    labels = axis.get_ticklabels()
    for label, text in zip(labels, texts):
        label.set(parse_math=False, **fonts(text))
    sizes = [extent(label, canvas) for label in labels]
    across, along = max(w for w, _ in sizes), max(h for _, h in sizes)
    pad = 4 / 72
    if cell is None:
        return across + pad
    if across <= 0.9 * cell:
        return along + pad
    for label in labels:
        label.set(rotation=90, rotation_mode="default", va="bottom", ha="center")
    return across + pad


def _write_values(axes: Axes, image: AxesImage, weights: NDArray[np.float64], size: float) -> None:
    for (row, column), weight in np.ndenumerate(weights):
        dark = is_dark(tuple(image.cmap(image.norm(weight))))
        text = f"{weight:.2f}".removeprefix("0") if weight < 1 else f"{weight:.1f}"
        axes.text(
            column,
            row,
            text,
            size=size,
            color="white" if dark else "0.15",
            ha="center",
            va="center",
        )
