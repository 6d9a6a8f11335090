"""What the clients share: their arguments, their errors, and how a translation is shown.

Needs nothing but the standard library.
"""

import argparse
import contextlib
import io
import shutil
import sys
from pathlib import Path

from alignment import draw
from answers import BadInputError, ServingError, check_count, translations
from printable import one_line, printable

__all__ = ["BadInputError", "ServingError", "main", "parser", "server_parser", "translations"]

_LONGEST_TIMEOUT = 24 * 60 * 60
# The most tokens of either side of an alignment that is drawn.
_MOST_DRAWN = 1_000


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
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long a whole request may take (30)",
    )
    return made


@contextlib.contextmanager
def errors_in_one_line():
    """Ends the script with code 1 and one line, where a person can do something about it."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark instead.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        yield
    except (ServingError, ImportError) as error:
        report(error)
        raise SystemExit(1) from None
    except (KeyboardInterrupt, BrokenPipeError):
        raise SystemExit(130) from None


def report(error):
    """Prints an error as one line."""
    print(f"{Path(sys.argv[0]).name}: error: {one_line(str(error))}", file=sys.stderr)


def check_above_zero(name, number):
    """Refuses a number of which nothing could come."""
    if not number > 0:
        raise ServingError(f"{name}: expected a number above 0, received {number}.")


def check_timeout(seconds):
    """Refuses a timeout that is none."""
    check_above_zero("--timeout", seconds)
    if seconds > _LONGEST_TIMEOUT:
        raise ServingError(
            f"--timeout: expected at most {_LONGEST_TIMEOUT:,} seconds, received {seconds:g}."
        )


def main(arguments, predict):
    """Translates what the arguments say, and prints it.

    Args:
        arguments: what `parser(...).parse_args()` gave.
        predict: takes a list of texts, gives for each the outputs by name.
    """
    with errors_in_one_line():
        check_above_zero("--batch", arguments.batch)
        check_timeout(arguments.timeout)
        size = arguments.batch
        if not arguments.texts and sys.stdin.isatty():
            print("A sentence a line; end with Ctrl-D.", file=sys.stderr)
            size = 1  # who types wants an answer to every line
        for texts in _batches(arguments.texts or _lines(), size):
            rows = check_count(predict(texts), len(texts), "texts were")
            # Before anything is printed: an answer is right as a whole or refused.
            found = [translations(row) for row in rows]
            for text, hypotheses in zip(texts, found):
                _show(text, hypotheses, arguments.plain)


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
    for one in found:
        print(f"  -> {printable(one.text)}   (score {one.score:.2f})")
        for line in _alignment(one):
            print(f"     {line}".rstrip(" "))
    print(flush=True)


def _alignment(found):
    sources, targets = len(found.source_tokens), len(found.tokens)
    if not sources or not targets:
        return []
    if max(sources, targets) > _MOST_DRAWN:
        return [f"(an alignment of {sources:,} and {targets:,} tokens is not drawn)"]
    columns = max(20, shutil.get_terminal_size().columns - 5) if sys.stdout.isatty() else None
    return draw(found.attention, found.source_tokens, found.tokens, columns)
