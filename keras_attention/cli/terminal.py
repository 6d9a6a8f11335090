"""Consoles, progress, and alignments as tables; their texts are made printable first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from keras_attention._core.printable import printable
from keras_attention._core.types import Tensor

_SHADES = "░▒▓█"
_FAINT = 0.05  # A smaller weight is a dot, so that columns can be followed.
# From light to dark, as in keras_attention.plots; on a terminal without colors the signs differ.
_COLORS = ("#8cd7fb", "#4aa2e4", "#3b6cb4", "#385394")
_LONGEST_LABEL = 30


def console() -> Console:
    """Where tables are printed. Texts are shown as they are: `[red]` is no color."""
    return Console(highlight=False, markup=False, emoji=False)


def working(what: str) -> AbstractContextManager[object]:
    """While inside, says on a terminal what takes a while."""
    return Console(stderr=True, markup=False, emoji=False).status(Text(f"{printable(what)} ..."))


def progress(shown: bool) -> Progress:
    """A bar on the error stream, if that is a terminal."""
    errors = Console(stderr=True, markup=False, emoji=False)
    return Progress(console=errors, transient=True, disable=not (shown and errors.is_terminal))


def alignments(
    weights: Tensor, sources: Sequence[str], targets: Sequence[str], width: int
) -> Iterator[Table]:
    """The weights `(targets, sources)` as tables of shaded cells.

    There is a row per target token and a column per source token. Columns that
    do not fit into `width` are in a further table.
    """
    heads = [_label(token) for token in sources]
    names = [_label(token) for token in targets]
    margin = max(map(cell_len, names), default=0) + 2
    for part in _parts([_width(head) for head in heads], max(1, width - margin)):
        table = Table(box=None, padding=0, pad_edge=False, show_edge=False)
        table.add_column(justify="right", no_wrap=True)
        for i in part:
            table.add_column(Text(heads[i]), no_wrap=True, width=_width(heads[i]))
        for name, row in zip(names, weights):
            cells = (_shaded(float(row[i]), _width(heads[i])) for i in part)
            table.add_row(Text(f"{name} ┤"), *cells)
        yield table


def _parts(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """The numbers of the columns, in parts that fit."""
    part: list[int] = []
    for i, width in enumerate(widths):
        if part and sum(widths[j] for j in part) + width > room:
            yield part
            part = []
        part.append(i)
    yield part


def _width(head: str) -> int:
    return max(2, cell_len(head) + 1)


def _label(token: str) -> str:
    text = printable(token).replace(" ", "\N{OPEN BOX}") or "\N{SYMBOL FOR NULL}"
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _shaded(weight: float, width: int) -> Text:
    if not weight >= _FAINT:
        return Text("·")
    level = min(3, int(4 * weight))
    return Text(_SHADES[level] * width, style=_COLORS[level])
