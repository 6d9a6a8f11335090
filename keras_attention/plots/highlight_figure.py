"""Shaded words as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention.plots.colors import colormap, is_dark
from keras_attention.plots.labels import drawable, extent, fonts, label_of
from keras_attention.plots.panels import make_figure

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

# In inches.
_WIDTH = 6.5
_MARGIN = 0.12
_LINE = 0.27
_GAP = 0.11  # between words
_PAD = 0.22  # around a word, in units of the font size
_SIZE = 11  # points


def draw_words(
    words: Sequence[str],
    levels: NDArray[np.float64],
    targets: Sequence[str] | None,
    title: str | None,
) -> Figure:
    """Draws lines of words on backgrounds from white to indigo.

    Args:
        words: strings.
        levels: `(T, S)`, from 0 to 1.
        targets: a label for each line, or None.
        title: or None. Its lines are not wrapped.
    """
    figure, canvas = make_figure(_WIDTH, 1.0)
    # Notebooks show no figure without axes.
    figure.add_axes((0, 0, 1, 1)).set_axis_off()
    shown = [drawable(line) for line in title.splitlines()] if title else []
    heading = [figure.text(0, 0, one, size=_SIZE + 1, parse_math=False) for one in shown]
    for text in heading:
        text.set(family=fonts(text.get_text())["family"], color="0.1", va="center")
    lines = [([text], [_MARGIN]) for text in heading]
    labels = [_text(figure, label, None) for label in targets or ()]
    indent = max((extent(label, canvas)[0] + 2 * _GAP for label in labels), default=0.0)
    for number, row in enumerate(np.minimum(levels, 1.0)):
        texts = [_text(figure, word, float(level)) for word, level in zip(words, row)]
        wrapped = list(_wrapped(texts, _MARGIN + indent, canvas))
        if labels:
            first, places = wrapped[0]
            wrapped[0] = [labels[number], *first], [_MARGIN, *places]
        lines += wrapped
    height = 2 * _MARGIN + _LINE * len(lines)
    figure.set_size_inches(_WIDTH, height)
    for number, (texts, places) in enumerate(lines):
        middle = _MARGIN + _LINE * (number + 0.5)
        for text, left in zip(texts, places):
            text.set_position((left / _WIDTH, 1 - middle / height))
    return figure


def _text(figure: Figure, word: str, level: float | None) -> Text:
    """A word on the background of its weight, or a label without."""
    shown = label_of(word)
    text = figure.text(0, 0, shown, size=_SIZE, parse_math=False, va="center", **fonts(shown))
    if level is None:
        text.set(color="0.4")
        return text
    color = colormap()(level)
    text.set(color="white" if is_dark(color) else "0.1")
    text.set_bbox({"facecolor": color, "edgecolor": "none", "boxstyle": f"round,pad={_PAD}"})
    return text


def _wrapped(
    texts: Sequence[Text], left: float, canvas: FigureCanvasAgg
) -> Iterator[tuple[list[Text], list[float]]]:
    """The words of each line, and where each begins, in inches from the left."""
    line: list[Text] = []
    places: list[float] = []
    at = left
    for text in texts:
        width, _ = extent(text, canvas)
        if line and at + width > _WIDTH - _MARGIN:
            yield line, places
            line, places, at = [], [], left
        line.append(text)
        places.append(at)
        at += width + _GAP
    yield line, places
