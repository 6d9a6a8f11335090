"""Reads words with an exported ONNX model, and draws where it looked.

Needs numpy and onnxruntime, and nothing else: it is also the example of how to
use greedy.onnx and vocabulary.json from your own program.
"""

import argparse
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime

SHADES = "░▒▓█"
# Keeps the labels of a right-to-left script in their columns.
LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"


def split(text, vocabulary):
    """The tokens of a text, as the model's vocabulary splits it."""
    if vocabulary["lowercase"]:
        text = text.lower()
    return text.split() if vocabulary["separator"] else list(text.strip())


def pad(rows, padding):
    """Rows of ids as one int32 matrix, with at least one column."""
    ids = np.full((len(rows), max(1, *map(len, rows))), padding, "int32")
    for row, given in zip(ids, rows):
        row[: len(given)] = given
    return ids


def decode(folder, texts):
    """Runs greedy.onnx on all texts at once.

    Returns:
        For every text its source tokens, its target tokens, the
        log-probability, and the attention `(targets, sources)`.
    """
    folder = Path(folder)
    about = json.loads((folder / "vocabulary.json").read_text("utf-8"))
    source, target, special = about["source"], about["target"], about["special_ids"]
    if source is None or target is None:
        raise ValueError(f"{folder} was exported from a model without vocabularies: it takes ids.")
    id_of = {token: i for i, token in enumerate(source["tokens"]) if i > special["unknown"]}
    sources = [split(text, source) for text in texts]
    ids = [[id_of.get(token, special["unknown"]) for token in tokens] for tokens in sources]

    session = onnxruntime.InferenceSession(
        str(folder / "greedy.onnx"), providers=["CPUExecutionProvider"]
    )
    names = ["sequences", "scores", "attention"]
    found = session.run(names, {"tokens": pad(ids, special["padding"])})
    hidden = (special["padding"], special["start"], special["end"])
    for tokens, sequence, score, attention in zip(sources, *found):
        kept = [t for t, i in enumerate(sequence) if i not in hidden]
        targets = [target["tokens"][sequence[t]] for t in kept]
        yield tokens, target["separator"].join(targets), targets, score, attention[kept]


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
    args = parser.parse_args(arguments)
    # A terminal that cannot show a sign shows a question mark instead.
    sys.stdout.reconfigure(errors="replace")
    try:
        for name in ("greedy.onnx", "vocabulary.json"):
            if not (args.folder / name).is_file():
                raise FileNotFoundError(f"{args.folder} holds no {name}: expected an ONNX export.")
        results = list(decode(args.folder, args.texts))
    except Exception as error:
        print(f"run_onnx.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
    for text, (sources, result, targets, score, attention) in zip(args.texts, results):
        print(f"{text}  ->  {result}   (log-probability {score:.2f})")
        for line in draw(attention[:, : len(sources)], sources, targets):
            print(f"  {line}")


if __name__ == "__main__":
    main()
