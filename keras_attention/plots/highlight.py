"""Text with every word shaded by its weight: in a terminal, a notebook, a page or a figure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention._core.printable import printable
from keras_attention._core.types import Tensor
from keras_attention.plots.arrays import as_numbers
from keras_attention.plots.highlight_figure import draw_words
from keras_attention.plots.tokens import clipped, scale_of, tokens_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

_SHADES = " ░▒▓█"
# Backgrounds of white text, from gray to blue: as dark as each other, so that more weight is
# more color both on a black and on a white terminal.
_BACKGROUNDS = (None, "#6b7280", "#58709a", "#416bbc", "#2563eb")
# Over any background of a page, with text of the page's own color. At most so opaque, the text
# keeps a contrast of 4.5 on white and on black.
_BLUE = "37, 99, 235"
_OPAQUE = 0.6
_FAINT = 0.05  # A smaller part of the largest weight is not shaded.
_WIDTH = 80  # columns of plain text


class Highlight:
    """Text with every word shaded by its weight, as `highlight` returns it.

    As the last expression of a cell it is HTML in a notebook, whose text has
    the colors of the page, dark or light. `rich.print` shows it in a terminal,
    in colors or, where there are none, by signs below the words. `str` is that
    plain text, 80 columns wide.

    Args:
        words: the words.
        weights: `(T, S)`, at least 0.
        targets: a label for each line of weights, or None for one line without.
        vmax: the weight that is shaded most.

    Attributes:
        words: a list of strings.
        weights: float64 `(T, S)`, without padding.
        targets: a list of strings or None.
        vmax: a float above 0.

    Example:

    >>> from keras_attention.plots import highlight
    >>> print(highlight(["what", "a", "dreadful", "film"], [0.1, 0.0, 0.6, 0.3]))
    what a dreadful film
    ░░░░   ████████ ▓▓▓▓
    """

    def __init__(
        self,
        words: list[str],
        weights: NDArray[np.float64],
        targets: list[str] | None,
        vmax: float,
    ) -> None:
        self.words, self.weights, self.targets, self.vmax = words, weights, targets, vmax

    def _lines(self) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """The label of each line, and its words with their weights from 0 to 1."""
        words = [_visible(word) for word in self.words]
        labels = [""] if self.targets is None else [_visible(one) for one in self.targets]
        for label, weights in zip(labels, np.minimum(self.weights / self.vmax, 1.0)):
            yield label, [(word, float(weight)) for word, weight in zip(words, weights)]

    def __str__(self) -> str:
        return "\n".join(self._plain(_WIDTH))

    def __repr__(self) -> str:
        return f"<Highlight of {len(self.words)} words, weights {self.weights.shape}>"

    def _plain(self, width: int) -> Iterator[str]:
        from rich.cells import cell_len, set_cell_size

        margin = max(cell_len(label) for label, _ in self._lines())
        for label, words in self._lines():
            head = set_cell_size(label, margin) + " ┤ " if self.targets is not None else ""
            above, below = head, " " * cell_len(head)
            for word, weight in words:
                size = cell_len(word)
                if above != head and cell_len(above) + size > width:
                    yield above.rstrip()
                    yield below.rstrip()
                    head = " " * cell_len(head)
                    above, below = head, head
                above += f"{word} "
                below += f"{_SHADES[_level(weight)] * size} "
            yield above.rstrip()
            yield below.rstrip()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        if console.no_color or console.color_system is None:
            for line in self._plain(options.max_width):
                yield Text(line, no_wrap=True)
            return
        for label, words in self._lines():
            text = Text(f"{label} ┤ " if self.targets is not None else "")
            for number, (word, weight) in enumerate(words):
                background = _BACKGROUNDS[_level(weight)]
                text.append(" " if number else "")
                text.append(word, None if background is None else f"#ffffff on {background}")
            yield text

    def _repr_html_(self) -> str:
        """A part of a page, everything escaped."""
        lines = []
        for label, words in self._lines():
            head = f"<b>{html.escape(label)}</b> " if self.targets is not None else ""
            shaded = " ".join(_span(word, weight, self.vmax) for word, weight in words)
            lines.append(f'<div dir="auto" style="line-height:1.9">{head}{shaded}</div>')
        return "\n".join(lines)

    def figure(self, title: str | None = None) -> Figure:
        """A `matplotlib.figure.Figure` 6.5 inches wide, on white.

        Raises:
            ImportError: without the extra `plots`.
        """
        return draw_words(self.words, self.weights / self.vmax, self.targets, title)


def highlight(
    words: Sequence[str | bytes],
    weights: Tensor,
    targets: Sequence[str | bytes] | None = None,
    vmax: float | None = None,
) -> Highlight:
    """Shades every word of a text by its weight.

    Args:
        words: strings or UTF-8 bytes; a string stands for its characters. Empty
            strings at the end, with which exported models pad, are left out.
        weights: `(S,)`, of the words, as a pooling layer gives them; or
            `(T, S)`, as many lines of the same words. What is beyond the words
            and targets is padding and left out.
        targets: for weights `(T, S)`, what each line belongs to; by default
            numbers from 1.
        vmax: the weight that is shaded most; None takes the largest weight.

    Returns:
        `Highlight`: HTML in a notebook, colors in a terminal
        (`rich.print(found)`), plain text by `str`, and `found.figure()` for
        matplotlib.

    Raises:
        ValueError: if the weights are not finite, negative, of another rank, or
            fewer than there are words or targets, if there are no words, if
            `targets` are given for weights `(S,)`, or if `vmax` is not above 0.
        TypeError: if words or targets are not strings.

    Example:

    >>> from keras_attention.plots import highlight
    >>> found = highlight(["so", "<b>good</b>"], [0.2, 0.8])
    >>> "&lt;b&gt;good" in found._repr_html_()
    True
    >>> print(highlight(["good", "film"], [[0.9, 0.1], [0.3, 0.7]], ["+", "-"]))
    + ┤ good film
        ████ ░░░░
    - ┤ good film
        ▒▒▒▒ ████
    """
    tokens = tokens_of("words", words)
    array = as_numbers("weights", weights)
    if array.ndim not in (1, 2):
        raise ValueError(
            "weights: expected those of one text, (words,) or (targets, words), received shape "
            f"{array.shape} of rank {array.ndim}."
        )
    if array.ndim == 1:
        if targets is not None:
            raise ValueError(
                f"targets: expected None for weights of shape {array.shape}, received {targets!r}."
            )
        labels, array = None, array[None]
    else:
        numbers = map(str, range(1, len(array) + 1))
        labels = tokens_of("targets", list(numbers) if targets is None else targets)
    array = clipped(array, 1 if labels is None else len(labels), len(tokens))
    if (array < 0).any():
        raise ValueError(f"weights: expected numbers of at least 0, received {array.min():g}.")
    return Highlight(tokens, array, labels, scale_of(vmax, array))


def _level(weight: float) -> int:
    """The strength of the shading, 0 to 4."""
    return 0 if weight < _FAINT else min(4, 1 + int(4 * weight))


def _visible(word: str) -> str:
    """The word on one line, without what would command a terminal; a space is seen."""
    text = printable(word)
    return text if text.strip() else text.replace(" ", "\N{OPEN BOX}") or "\N{SYMBOL FOR NULL}"


def _span(word: str, weight: float, vmax: float) -> str:
    style = ""
    if weight >= _FAINT:
        alpha = f"{_OPAQUE * weight:.3f}".rstrip("0")
        style = f' style="background-color:rgba({_BLUE}, {alpha});border-radius:.25em"'
    return f'<span title="{weight * vmax:.3g}"{style}>{html.escape(word)}</span>'
