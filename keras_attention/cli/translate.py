"""`keras-attention translate`: texts to texts, from arguments or line by line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from keras_attention._core.files import write_text
from keras_attention._core.printable import printable
from keras_attention.cli.app import app
from keras_attention.cli.options import (
    LengthPenalty,
    MaxLength,
    Model,
    ModelFile,
    NBest,
    NumBeams,
    SearchOption,
    chosen_search,
    generations,
    load,
)
from keras_attention.cli.terminal import progress
from keras_attention.generation import Generation, Search

_AT_ONCE = 256


@app.command(no_args_is_help=True)
def translate(
    model: ModelFile,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXTS...]", help="By default the lines of the standard input."),
    ] = None,
    search: SearchOption = None,
    num_beams: NumBeams = None,
    max_length: MaxLength = None,
    length_penalty: LengthPenalty = None,
    n_best: NBest = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="WORDS", help="What every translation has to contain; repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write into a file.")
    ] = None,
) -> None:
    """Translate texts: a line of output for every text.

    With --n-best a line is the number of the text, the score, and a translation, with tabs
    between them.

    Example: keras-attention translate "The king loved Esther." --model model.keras --num-beams 4
    """
    if include and search is None:
        search = "beam"
    chosen = chosen_search(search, num_beams, max_length, length_penalty, n_best)
    if texts is None or not texts:
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    found = _translated(load(model), texts, chosen, n_best, include)
    lines = _lines(found, numbered=n_best is not None)
    if output is None:
        for line in lines:
            typer.echo(line)
    else:
        write_text(output, "".join(f"{line}\n" for line in lines))


def _translated(
    model: Model,
    texts: list[str],
    search: Search | None,
    n_best: int | None,
    include: list[str] | None,
) -> list[list[Generation]]:
    """The hypotheses of every text; on a terminal a bar shows how many are done."""
    found: list[list[Generation]] = []
    with progress(len(texts) > _AT_ONCE) as bar:
        task = bar.add_task("translating", total=len(texts))
        for begin in range(0, len(texts), _AT_ONCE):
            part = texts[begin : begin + _AT_ONCE]
            options = {"must_include": [include] * len(part)} if include else {}
            found += generations(model, part, search, n_best, **options)
            bar.advance(task, len(part))
    return found


def _lines(found: Sequence[Sequence[Generation]], numbered: bool) -> list[str]:
    if not numbered:
        return [printable(best.text) for best, *_ in found]
    return [
        f"{number}\t{one.score:.4f}\t{printable(one.text)}"
        for number, hypotheses in enumerate(found, 1)
        for one in hypotheses
    ]
