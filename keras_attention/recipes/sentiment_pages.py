"""Test sentences with their words shaded: in the terminal, as a page, and as pictures."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from keras_attention._core.files import replacing, write_text
from keras_attention.datasets import RatedText
from keras_attention.plots import Highlight, highlight
from keras_attention.recipes.sentiment_quality import Reader

_SHOWN = 12  # sentences on the page
_DRAWN = 3  # of them as pictures and in the terminal
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>Which words mattered</title>
<body style="font-family:sans-serif;max-width:48em;margin:2em auto;padding:0 1em">
<h1>Which words mattered</h1>
<p>Film sentences of the test split. Each is shaded by the attention of two models, whose weights
are those of embeddings and of the states of an encoder. The rating is the mean of people's, from
-4 to 4.</p>
{examples}
</body>
</html>
"""


def draw_examples(
    readers: Mapping[str, Reader],
    rated: Sequence[RatedText],
    folder: Path,
) -> None:
    """Writes `highlights.html` and `highlight-N.png`, and prints the first sentences.

    Args:
        readers: of models with attention, by the label of their line.
        rated: sentences to choose from.
        folder: where the files go.

    Raises:
        ImportError: without the extra `plots`, after the page is written.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    examples = list(_examples(readers, rated))
    parts = [f"<h2>{html.escape(title)}</h2>\n{one._repr_html_()}" for title, one in examples]
    write_text(folder / "highlights.html", _PAGE.format(examples="\n".join(parts)))
    for title, one in examples[:_DRAWN]:
        console.print(f"\n{title}")
        console.print(one)
    for number, (title, one) in enumerate(examples[:_DRAWN], 1):
        figure = one.figure(title)
        with replacing(folder / f"highlight-{number}.png") as unfinished:
            figure.savefig(unfinished, dpi=150)


def _examples(
    readers: Mapping[str, Reader], rated: Sequence[RatedText]
) -> Iterator[tuple[str, Highlight]]:
    """Sentences of a line or two, spread over those given, with what each model says."""
    split = next(iter(readers.values())).vocabulary.split
    fitting = [one for one in rated if 8 <= len(split(one.text)) <= 18]
    shown = fitting[:: max(1, len(fitting) // _SHOWN)][:_SHOWN]
    if not shown:
        return
    texts = [one.text for one in shown]
    readings = {name: reader(texts) for name, reader in readers.items()}
    for number, one in enumerate(shown):
        lines = {name: found[number] for name, found in readings.items()}
        said = ", ".join(f"{name} {reading.positive:.2f}" for name, reading in lines.items())
        words = next(iter(lines.values())).words
        weights = [reading.weights for reading in lines.values()]
        title = f"rated {one.rating:+.1f}; probability that it is positive: {said}"
        yield title, highlight(words, weights, list(lines))
