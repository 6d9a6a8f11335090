"""The colors of weights: from white to indigo, and whether text on them is white."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_attention._core.optional import require

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# From white to indigo. The lightness in OKLab falls in equal steps, so that equal differences of
# weight look equally large.
COLORS = (
    "#ffffff",
    "#c0eeff",
    "#8cd7fb",
    "#64bef2",
    "#4aa2e4",
    "#3e87cf",
    "#3b6cb4",
    "#385394",
    "#313c71",
    "#27294d",
    "#19182a",
)


def colormap() -> Colormap:
    """The colors as a colormap of matplotlib."""
    colors = require("matplotlib.colors", "plots")
    return colors.LinearSegmentedColormap.from_list("attention", COLORS)


def is_dark(color: Sequence[float]) -> bool:
    """Whether text on a color, red, green and blue from 0 to 1, is white rather than black.

    Example:

    >>> from keras_attention.plots.colors import is_dark
    >>> is_dark((0.1, 0.1, 0.2)), is_dark((1, 1, 1))
    (True, False)
    """
    red, green, blue = color[:3]
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
