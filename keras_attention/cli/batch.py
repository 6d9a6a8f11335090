"""`keras-attention batch`: whole files through an artifact, on Apache Beam."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
from typing import Annotated

import typer
from rich.text import Text

from keras_attention._core.printable import printable
from keras_attention._core.quiet import silent_stderr
from keras_attention.cli.app import app
from keras_attention.cli.terminal import console


@app.command(no_args_is_help=True)
def batch(
    model: Annotated[
        str, typer.Argument(help="A SavedModel for text, or a folder of its versions.")
    ],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Text, one sentence per line.")
    ],
    output: Annotated[str, typer.Option(metavar="FOLDER", help="The folder of the results.")],
    signature: Annotated[str, typer.Option(help="Of the SavedModel.")] = "serving_default",
    batch: Annotated[int, typer.Option(min=1, help="How many lines at once.")] = 32,
    chunk: Annotated[
        int, typer.Option(min=1, help="How many lines are redone at most after an interruption.")
    ] = 500,
    longest: Annotated[
        int, typer.Option(min=1, help="Lines with more characters are set aside.")
    ] = 1000,
    runner: Annotated[
        str, typer.Option(help="Of Beam: DirectRunner, DaskRunner, FlinkRunner, ...")
    ] = "DirectRunner",
    every: Annotated[float, typer.Option(help="Seconds between lines of progress.")] = 5.0,
) -> None:
    """Translate files line by line, on this machine or on many; repeated, it goes on.

    For every FILE the output folder then holds FILE, with the translation of each line on the
    same line; FILE.bad.tsv, the lines set aside; and FILE.shards/, the same in parts with scores.
    What follows "--" are options of Beam. Workers elsewhere need this package, and see the same
    files.

    Example: keras-attention batch served/translate book.txt --output build/book
    """
    # An error in this process is printed as one line; of other machines the log is needed.
    local = runner == "DirectRunner"
    logging.getLogger().setLevel(logging.CRITICAL if local else logging.WARNING)
    # This logger reports unknown options.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr():
        from keras_attention.export.batch import translate_files

    # An option before "--" would have been one of this command.
    sources = list(itertools.takewhile(lambda one: not one.startswith("-"), files))
    terminal = console()
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, _interrupted)
    try:
        translate_files(
            model,
            sources,
            output,
            signature=signature,
            batch_size=batch,
            chunk=chunk,
            longest=longest,
            runner=runner,
            options=files[len(sources) :],
            seconds=every,
            say=lambda line: terminal.print(Text(printable(line)), soft_wrap=True),
        )
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _interrupted(*_: object) -> None:
    # At once, since files are always whole and the runner's threads would go on for long.
    os.write(2, b"\nInterrupted; the same command goes on from here.\n")
    os._exit(130)
