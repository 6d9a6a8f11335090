"""`keras-attention say`: pronunciations, and what the model attended to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from keras_attention._core.printable import printable
from keras_attention.cli.app import app
from keras_attention.cli.options import (
    PRESET,
    MaxLength,
    ModelFile,
    NBest,
    NumBeams,
    SearchOption,
    chosen_search,
    generations,
    load,
)
from keras_attention.cli.terminal import alignments, console
from keras_attention.generation import Generation


@app.command(no_args_is_help=True)
def say(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="English words.")],
    model: ModelFile = PRESET,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the alignment as a picture, one per word."),
    ] = None,
    search: SearchOption = None,
    num_beams: NumBeams = None,
    max_length: MaxLength = None,
    n_best: NBest = None,
) -> None:
    """Pronounce words, and show which letters each sound comes from.

    Example: keras-attention say attention --figure attention.png
    """
    chosen = chosen_search(search, num_beams, max_length, n_best=n_best)
    speller = load(model)
    found = generations(speller, words, chosen, n_best)
    terminal = console()
    for number, (word, hypotheses) in enumerate(zip(words, found)):
        if number:
            terminal.print()
        for one in hypotheses:
            line = (
                f"{printable(word)}  →  {printable(one.text)}   (log-probability {one.score:.2f})"
            )
            terminal.print(Text(line), soft_wrap=True)
        best = hypotheses[0]
        if _has_alignment(best):
            sources = best.source_tokens or []
            for table in alignments(best.attention, sources, best.tokens, terminal.width):
                terminal.print(table)
    if figure is not None:
        for word, path, (best, *_) in zip(words, _numbered(figure, len(words)), found):
            if not _has_alignment(best):
                raise ValueError(
                    "--figure: expected a model with attention over its source, and a text that "
                    f"is not empty, received {type(speller).__name__} and {word!r}."
                )
            draw(best, word, path)
            terminal.print(Text(f"Wrote {printable(str(path))}"), soft_wrap=True)


def _has_alignment(found: Generation) -> bool:
    """Whether there is a weight for every token of both sides."""
    if not found.tokens or not found.source_tokens:
        return False
    return tuple(found.attention.shape) == (len(found.tokens), len(found.source_tokens))


def _numbered(path: Path, count: int) -> list[Path]:
    """A file per word: the one that was asked for, or with a number."""
    if count == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{number}") for number in range(1, count + 1)]


def draw(found: Generation, title: str, path: Path) -> None:
    """Writes an alignment as a picture."""
    from keras_attention.plots import plot_attention

    source, target = found.source_tokens or [], found.tokens
    plot_attention(found.attention, source, target, title=title).savefig(path, dpi=150)
