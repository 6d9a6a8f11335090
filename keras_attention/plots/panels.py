"""Figures without pyplot, and axes that are placed in inches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_attention._core.optional import require
from keras_attention.plots.labels import drawable, fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure


def make_figure(width: float, height: float) -> tuple[Figure, FigureCanvasAgg]:
    """A figure of a size in inches, and a canvas that can measure text."""
    figure = require("matplotlib.figure", "plots").Figure((width, height), dpi=120)
    return figure, require("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)


def bounds(
    figure: Figure, left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Matplotlib's bounds of a rectangle in inches, measured from the upper left corner."""
    full_width, full_height = figure.get_size_inches()
    return (
        left / full_width,
        1 - (top + height) / full_height,
        width / full_width,
        height / full_height,
    )


def add_panel(
    figure: Figure,
    rectangle: tuple[float, float, float, float],
    title: str | None,
    title_size: float,
    edge: Any,
    line: float,
) -> Axes:
    """Adds axes without ticks.

    Args:
        figure: the figure.
        rectangle: left, top, width and height in inches.
        title: shown above, or None.
        title_size: in points.
        edge: color of the frame.
        line: width of the frame in points.
    """
    axes = figure.add_axes(bounds(figure, *rectangle))
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        text = drawable(title)
        axes.set_title(text, size=title_size, color="0.1", pad=3, parse_math=False, **fonts(text))
    for spine in axes.spines.values():
        spine.set(linewidth=line, color=edge)
    return axes
