"""The command itself: its options, and errors as one line."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

import keras_attention
from keras_attention._core.printable import one_line

# What a person can mend: a file that is missing, a wrong number, an extra that is not installed.
_MISTAKES = (OSError, ValueError, TypeError, ImportError)

app = typer.Typer(
    name="keras-attention",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


@dataclass
class Run:
    """What all commands of one run share.

    Attributes:
        debug: whether errors are shown with their traceback.
    """

    debug: bool = False


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-attention {keras_attention.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", envvar="KERAS_ATTENTION_DEBUG", help="Show the traceback of an error."
        ),
    ] = False,
) -> None:
    """Attention models from a terminal: use them, train them, export them, look into them.

    Example: keras-attention say attention
    """
    context.obj.debug = debug


def main(arguments: Sequence[str] | None = None, name: str = "keras-attention") -> None:
    """Runs the command and ends the process.

    The exit status is 0, or 2 where the user can mend what went wrong, or 1
    where an artifact does not answer as its model did and where something
    unexpected happened. An error is one line on the error stream;
    `keras-attention --debug ...` or the environment variable
    `KERAS_ATTENTION_DEBUG=1` shows its traceback as well.

    Args:
        arguments: those of the command line; `sys.argv[1:]` if None.
        name: what the command is called in its help and errors.

    Raises:
        SystemExit: always, with the exit status.

    Example:

    >>> from keras_attention.cli import main
    >>> main(["--version"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    arguments = sys.argv[1:] if arguments is None else [str(one) for one in arguments]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal may lack a character; the rest of a line is still worth reading.
            stream.reconfigure(errors="replace")
    run = Run()
    try:
        command = typer.main.get_command(app)
        status = command.main(arguments, prog_name=name, standalone_mode=False, obj=run)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(1) from None
    except typer.TyperException as error:
        # Without a message the help was shown, because there were no arguments.
        if message := error.format_message():
            _report(message, name, run)
        raise SystemExit(2) from None
    except typer.Abort:
        raise SystemExit(1) from None
    except Exception as error:
        # An ExportError, such as an artifact that answers differently, is a RuntimeError.
        expected = isinstance(error, (*_MISTAKES, RuntimeError))
        text = str(error) if expected else f"unexpected {type(error).__name__}: {error}"
        _report(text, name, run)
        raise SystemExit(2 if isinstance(error, _MISTAKES) else 1) from None
    raise SystemExit(status if isinstance(status, int) else 0)


def _report(text: str, name: str, run: Run) -> None:
    if run.debug:
        traceback.print_exc()
    print(f"{name}: error: {one_line(text) or 'no message'}", file=sys.stderr)
