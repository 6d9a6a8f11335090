"""What the clients share: their arguments, and how a translation is shown.

Needs nothing but the standard library.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from alignment import draw

OUTPUTS = ("texts", "scores", "source_tokens", "target_tokens", "attention")
# What a terminal is told to do hides in these.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "�")


class ServingError(Exception):
    """The server gave no translation; the message says what to do about it."""


class Translation(NamedTuple):
    """One hypothesis for one text.

    Attributes:
        text: what the model wrote.
        score: its score, a log-probability in nats, or what a beam search made of it.
        source_tokens, target_tokens: strings, without padding.
        attention: `(target tokens, source tokens)`, nested lists.
    """

    text: str
    score: float
    source_tokens: list
    target_tokens: list
    attention: list


def translations(row):
    """The hypotheses in the answer to one text, best first: several of a beam, one otherwise.

    Args:
        row: the outputs by name, for this text; strings and nested lists. They
            may be padded further than this text needs: the server pads all
            that it computes at once to the same width.

    Raises:
        ServingError: where an output is missing.
    """
    missing = [name for name in OUTPUTS if not isinstance(row, dict) or name not in row]
    if missing:
        found = ", ".join(sorted(row)) if isinstance(row, dict) else type(row).__name__
        raise ServingError(
            f"The model answers with {found}, without {', '.join(missing)}: expected an artifact "
            "for text, such as export/to_saved_model.py writes with --kind text."
        )
    several = isinstance(row["texts"], list)
    parts = [row[name] if several else [row[name]] for name in OUTPUTS if name != "source_tokens"]
    read = [s for s, token in enumerate(row["source_tokens"]) if token]
    sources = [row["source_tokens"][s] for s in read]
    found = []
    for text, score, tokens, attention in zip(*parts):
        written = [t for t, token in enumerate(tokens) if token]
        weights = [[attention[t][s] for s in read] for t in written]
        found.append(Translation(text, score, sources, [tokens[t] for t in written], weights))
    return found


def parser(description, server):
    """A parser with what every client takes.

    Args:
        description: the docstring of the script.
        server: where the server is by default.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "texts", nargs="*", metavar="TEXT", help="quoted sentences; without any, lines of the input"
    )
    made.add_argument("--server", default=server, help="where the server is (%(default)s)")
    made.add_argument(
        "--model", default="translate", help="its name in models.config (%(default)s)"
    )
    which = made.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="N", help="a version of the model")
    which.add_argument("--label", help="the version with this label, such as stable")
    made.add_argument(
        "--signature",
        default="serving_default",
        metavar="NAME",
        help="what to run: serving_default, greedy, or beam, which gives several hypotheses",
    )
    made.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait (30)"
    )
    made.add_argument(
        "--batch",
        type=int,
        default=16,
        metavar="N",
        help="how many sentences a request carries (16); a server that batches has a limit",
    )
    made.add_argument("--plain", action="store_true", help="print the translations alone")
    return made


def main(arguments, predict):
    """Translates what the arguments say, and prints it.

    Args:
        arguments: what `parser(...).parse_args()` gave.
        predict: takes a list of texts, gives for each the outputs by name.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark instead.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        for name, number in (("--batch", arguments.batch), ("--timeout", arguments.timeout)):
            if not number > 0:
                raise ServingError(f"{name}: expected a number above 0, received {number}.")
        size = arguments.batch
        if not arguments.texts and sys.stdin.isatty():
            print("A sentence a line; end with Ctrl-D.", file=sys.stderr)
            size = 1  # who types wants an answer to every line
        for texts in _batches(arguments.texts or _lines(), size):
            rows = predict(texts)
            if len(rows) != len(texts):
                raise ServingError(f"{len(texts)} texts were sent, {len(rows)} answers came.")
            for text, row in zip(texts, rows):
                _show(text, translations(row), arguments.plain)
    except ServingError as error:
        name = Path(sys.argv[0]).name
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
    except (KeyboardInterrupt, BrokenPipeError):
        raise SystemExit(130) from None


def _lines():
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _batches(texts, size):
    batch = []
    for text in texts:
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise ServingError(f"TEXT: expected UTF-8, received {text!a}.")
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _show(text, found, plain):
    if plain:
        print(*(one.text.translate(_CONTROL) for one in found), sep="\n", flush=True)
        return
    print(text.translate(_CONTROL))
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for one in found:
        print(f"  -> {one.text.translate(_CONTROL)}   (score {one.score:.2f})")
        if one.source_tokens and one.target_tokens:
            fits = None if columns is None else max(20, columns - 5)
            for line in draw(one.attention, one.source_tokens, one.target_tokens, fits):
                print(f"     {line}".rstrip(" "))
    print(flush=True)
