"""Reads texts with an exported ONNX model, and draws where it looked.

Needs numpy and onnxruntime, for a model with subwords the package tokenizers
too, and nothing else: it is also the example of how to use beam.onnx,
greedy.onnx and the vocabularies from your own program.
"""

import argparse
import json
import sys
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

SHADES = "░▒▓█"
# Keeps the labels of a right-to-left script in their columns.
LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"


class Plain:
    """A vocabulary of characters or words, from vocabulary.json alone."""

    def __init__(self, about, special):
        self.about, self.unknown = about, special["unknown"]
        self.id_of = {t: i for i, t in enumerate(about["tokens"]) if i > self.unknown}

    def read(self, text):
        """The tokens of a text, and their ids."""
        if self.about["lowercase"]:
            text = text.lower()
        tokens = text.split() if self.about["separator"] else list(text.strip())
        return tokens, [self.id_of.get(token, self.unknown) for token in tokens]

    def write(self, ids):
        """The text of ids."""
        return self.about["separator"].join(self.about["tokens"][i] for i in ids)


class Subwords:
    """A vocabulary of pieces of words, which the package tokenizers reads."""

    def __init__(self, path):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(path))

    def read(self, text):
        """The tokens of a text, and their ids."""
        found = self.tokenizer.encode(text)
        return found.tokens, found.ids

    def write(self, ids):
        """The text of ids."""
        return self.tokenizer.decode(ids)


def vocabulary(folder, side, about):
    """How one side of a model turns text into ids and back."""
    if about[side] is None:
        raise ValueError(f"{folder} was exported from a model without vocabularies: it takes ids.")
    if about[side].get("kind") == "subwords":
        return Subwords(folder / f"{side}_tokenizer.json")
    return Plain(about[side], about["special_ids"])


def pad(rows, padding):
    """Rows of ids as one int32 matrix, with at least one column."""
    ids = np.full((len(rows), max(1, *map(len, rows))), padding, "int32")
    for row, given in zip(ids, rows):
        row[: len(given)] = given
    return ids


class Hypothesis(NamedTuple):
    """One answer: its text and tokens, its score, and the attention `(targets, sources)`."""

    text: str
    tokens: list
    score: float
    attention: np.ndarray


def decode(folder, texts, graph="beam"):
    """Runs beam.onnx, or greedy.onnx, on all texts at once.

    Returns:
        For every text its source tokens, and a list of `Hypothesis`, the best
        first.
    """
    folder = Path(folder)
    about = json.loads((folder / "vocabulary.json").read_text("utf-8"))
    source, target = (vocabulary(folder, side, about) for side in ("source", "target"))
    special = about["special_ids"]
    sources = [source.read(text) for text in texts]

    session = onnxruntime.InferenceSession(
        str(folder / f"{graph}.onnx"), providers=["CPUExecutionProvider"]
    )
    names = ["sequences", "scores", "lengths", "attention"]
    tokens = pad([ids for _, ids in sources], special["padding"])
    found = session.run(names, {"tokens": tokens})
    if graph == "greedy":
        found = [output[:, None] for output in found]
    hidden = (special["padding"], special["start"], special["end"])
    for (read, _), *answers in zip(sources, *found):
        hypotheses = []
        for sequence, score, length, attention in zip(*answers):
            kept = [t for t, i in enumerate(sequence) if i not in hidden]
            ids = [int(sequence[t]) for t in kept]
            written = [about["target"]["tokens"][i] for i in ids]
            # A beam finds fewer than asked for where there are no more.
            if length > 0:
                hypotheses.append(Hypothesis(target.write(ids), written, score, attention[kept]))
        yield read, hypotheses


def shade(weight):
    """A weight as a sign; a dot where there is next to none, so that columns can be followed."""
    return "·" if weight < 0.05 else SHADES[min(3, int(4 * weight))]


def label(token):
    """A token as it is drawn: spaces become visible, accents get something to stand on."""
    token = token.replace(" ", "␣")
    if unicodedata.category(token[:1] or " ").startswith("M"):
        token = "◌" + token
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in token):
        token += LEFT_TO_RIGHT
    return token


def width(text):
    """How many columns a terminal gives a text."""
    drawn = [c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return len(drawn) + sum(unicodedata.east_asian_width(c) in "WF" for c in drawn)


def draw(weights, sources, targets):
    """The alignment as lines: a row for every target token, a column for every source token.

    Args:
        weights: `(targets, sources)`, from 0 to 1.
        sources, targets: the tokens.

    Returns:
        A list of lines.
    """
    sources, targets = [label(t) for t in sources], [label(t) for t in targets]
    margin = max(map(width, targets), default=0)
    longest = max(map(width, sources), default=1)
    before = " " * (margin + 2)
    if longest <= 3:
        cell = max(2, longest + 1)
        heads = [before + "".join(t + " " * (cell - width(t)) for t in sources)]
    else:
        # Words do not fit above a column; they climb like stairs instead.
        cell = 3
        heads = [
            before + ("│" + " " * (cell - 1)) * i + "┌ " + token
            for i, token in reversed(list(enumerate(sources)))
        ]
    lines = [head.rstrip(" ") for head in heads]
    for token, row in zip(targets, weights):
        cells = "".join(c.ljust(cell) if c == "·" else c * cell for c in map(shade, row))
        lines.append((" " * (margin - width(token)) + token + " ┤" + cells).rstrip(" "))
    return lines


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what to_onnx.py wrote")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="a word, or a quoted sentence")
    parser.add_argument(
        "--graph", choices=("beam", "greedy"), default="beam", help="how to search (%(default)s)"
    )
    parser.add_argument(
        "--n-best", type=int, default=1, metavar="N", help="how many answers to print (1)"
    )
    args = parser.parse_args(arguments)
    # A terminal that cannot show a sign shows a question mark instead.
    sys.stdout.reconfigure(errors="replace")
    try:
        for name in (f"{args.graph}.onnx", "vocabulary.json"):
            if not (args.folder / name).is_file():
                raise FileNotFoundError(f"{args.folder} holds no {name}: expected an ONNX export.")
        results = list(decode(args.folder, args.texts, args.graph))
    except Exception as error:
        print(f"run_onnx.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
    for text, (sources, hypotheses) in zip(args.texts, results):
        for found in hypotheses[: max(1, args.n_best)]:
            print(f"{text}  ->  {found.text}   (score {found.score:.2f})")
            for line in draw(found.attention[:, : len(sources)], sources, found.tokens):
                print(f"  {line}")


if __name__ == "__main__":
    main()
