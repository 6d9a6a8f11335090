"""Test passages, shaded by the attention of a cloze reader: a page, and pictures."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_attention._core.files import replacing, write_text
from keras_attention.datasets import Cloze
from keras_attention.plots import Highlight, highlight
from keras_attention.recipes.cloze_data import VERSE
from keras_attention.recipes.cloze_quality import Answer, Reader

_SHOWN = 10  # passages on the page
_DRAWN = 2  # of them as pictures
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width">
<title>Which name is left out?</title>
<body style="font-family:sans-serif;max-width:48em;margin:2em auto;padding:0 1em;line-height:1.5">
<h1>Which name is left out?</h1>
<p>Questions about the test books. Of each passage the four verses with most of the attention are
here, shaded by it. The model reads a marker in place of each name. Its answer is the name whose
mentions have the largest sum.</p>
{examples}
</body>
</html>
"""


class _Example(NamedTuple):
    title: str
    question: str
    shaded: Highlight


def draw_examples(reader: Reader, questions: Sequence[Cloze], folder: Path) -> None:
    """Writes `passages.html` and `passage-N.png`.

    Args:
        reader: a trained one.
        questions: to choose from.
        folder: where the files go.

    Raises:
        ImportError: without the extra `plots`, after the page is written.
    """
    examples = list(_examples(reader, questions))
    parts = [
        f"<h2>{html.escape(one.question)}</h2>\n<p>{html.escape(one.title)}</p>\n"
        f"{one.shaded._repr_html_()}"
        for one in examples
    ]
    write_text(folder / "passages.html", _PAGE.format(examples="\n".join(parts)))
    for number, one in enumerate(examples[:_DRAWN], 1):
        figure = one.shaded.figure(f"{textwrap.fill(one.question, 72)}\n{one.title}")
        with replacing(folder / f"passage-{number}.png") as unfinished:
            figure.savefig(unfinished, dpi=150)


def _examples(reader: Reader, questions: Sequence[Cloze]) -> Iterator[_Example]:
    """Questions spread over those given, each with the verses that have most of the weight."""
    shown = questions[:: max(1, len(questions) // _SHOWN)][:_SHOWN]
    for one, answer in zip(shown, reader(shown)):
        likely = sorted(answer.names, key=lambda name: -answer.names[name])[:3]
        said = ", ".join(f"{name} {answer.names[name]:.2f}" for name in likely)
        words, weights = _best_verses(answer)
        title = f"{'right' if answer.name == one.answer else 'wrong'}: {said}"
        title += "" if answer.name == one.answer else f"; it was {one.answer}"
        yield _Example(title, " ".join(one.question), highlight(words, weights))


def _best_verses(answer: Answer) -> tuple[list[str], np.ndarray]:
    """The tokens of the four verses with most of the weight, in order, and their weights."""
    begins = [i for i, token in enumerate(answer.tokens) if token == VERSE]
    verses = list(zip(begins, [*begins[1:], len(answer.tokens)]))
    heaviest = sorted(verses, key=lambda verse: -float(np.sum(answer.weights[slice(*verse)])))
    chosen = [i for first, end in sorted(heaviest[:4]) for i in range(first + 1, end)]
    return [answer.tokens[i] for i in chosen], answer.weights[chosen]
