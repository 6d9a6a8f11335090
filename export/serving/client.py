"""What the clients share: their arguments, and how a translation is shown.

Needs nothing but the standard library.
"""

import argparse
import contextlib
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from alignment import draw

OUTPUTS = ("texts", "scores", "source_tokens", "target_tokens", "attention")
# What a terminal is told to do hides in these.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "�")


class ServingError(Exception):
    """The server gave no answer; the message says what to do about it."""


class BadInputError(ServingError):
    """The server runs, and refuses what it was asked; other inputs may do."""


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
    check_outputs(row, OUTPUTS, "text")
    read = [s for s, token in enumerate(row["source_tokens"]) if token]
    sources = [row["source_tokens"][s] for s in read]
    return [
        Translation(text, score, sources, tokens, [[looks[s] for s in read] for looks in weights])
        for text, score, tokens, weights in hypotheses(row)
    ]


def check_outputs(row, names, kind):
    """Refuses the answer of another model than one that was exported with `--kind KIND`."""
    missing = [name for name in names if not isinstance(row, dict) or name not in row]
    if missing:
        found = ", ".join(sorted(row)) if isinstance(row, dict) else type(row).__name__
        raise ServingError(
            f"The model answers with {found}, without {', '.join(missing)}: expected an artifact "
            f"such as export/to_saved_model.py writes with --kind {kind}."
        )


def hypotheses(row):
    """Text, score, tokens and attention of each hypothesis, without the padding of the tokens."""
    names = ("texts", "scores", "target_tokens", "attention")
    several = isinstance(row["texts"], list)
    for text, score, tokens, attention in zip(*(row[n] if several else [row[n]] for n in names)):
        written = [t for t, token in enumerate(tokens) if token]
        yield text, score, [tokens[t] for t in written], [attention[t] for t in written]


def parser(description, server):
    """A parser with what every client of a translator takes.

    Args:
        description: the docstring of the script.
        server: where the server is by default.
    """
    made = server_parser(description, server, "translate", "several hypotheses")
    made.add_argument(
        "texts", nargs="*", metavar="TEXT", help="quoted sentences; without any, lines of the input"
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


def server_parser(description, server, model, several):
    """A parser with what says whom to ask, and how.

    Args:
        description: the docstring of the script.
        server, model: where the server is by default, and what it calls the model.
        several: what a beam gives.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--server", default=server, help="where the server is (%(default)s)")
    made.add_argument("--model", default=model, help="its name in models.config (%(default)s)")
    which = made.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="N", help="a version of the model")
    which.add_argument("--label", help="the version with this label, such as stable")
    made.add_argument(
        "--signature",
        default="serving_default",
        metavar="NAME",
        help=f"what to run: serving_default, greedy, or beam, which gives {several}",
    )
    made.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait (30)"
    )
    return made


@contextlib.contextmanager
def errors_in_one_line():
    """Ends the script with code 1 and one line, where a person can do something about it."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark instead.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        yield
    except ServingError as error:
        report(error)
        raise SystemExit(1) from None
    except (KeyboardInterrupt, BrokenPipeError):
        raise SystemExit(130) from None


def report(error):
    """Prints an error as one line."""
    line = printable(" ".join(str(error).split()))
    print(f"{Path(sys.argv[0]).name}: error: {line}", file=sys.stderr)


def check_above_zero(name, number):
    """Refuses a number of which nothing could come."""
    if not number > 0:
        raise ServingError(f"{name}: expected a number above 0, received {number}.")


def printable(text):
    """A text without what would tell the terminal to do something."""
    return text.translate(_CONTROL)


def main(arguments, predict):
    """Translates what the arguments say, and prints it.

    Args:
        arguments: what `parser(...).parse_args()` gave.
        predict: takes a list of texts, gives for each the outputs by name.
    """
    with errors_in_one_line():
        check_above_zero("--batch", arguments.batch)
        check_above_zero("--timeout", arguments.timeout)
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
        print(*(printable(one.text) for one in found), sep="\n", flush=True)
        return
    print(printable(text))
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for one in found:
        print(f"  -> {printable(one.text)}   (score {one.score:.2f})")
        if one.source_tokens and one.target_tokens:
            fits = None if columns is None else max(20, columns - 5)
            for line in draw(one.attention, one.source_tokens, one.target_tokens, fits):
                print(f"     {line}".rstrip(" "))
    print(flush=True)
