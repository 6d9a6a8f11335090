"""`keras-attention verify`: whether an artifact still answers as its model did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from keras_attention._core.printable import printable
from keras_attention.cli.app import app
from keras_attention.cli.options import Tolerance
from keras_attention.cli.terminal import console, working


@app.command(no_args_is_help=True)
def verify(
    artifact: Annotated[
        Path, typer.Argument(help="A SavedModel, a folder of versions, or ONNX or LiteRT files.")
    ],
    tolerance: Tolerance = 1e-4,
) -> None:
    """Load an artifact without Keras, and compare its answers with those of its model.

    Its files are compared with its manifest first. Ends with 1 where one
    differs, and with 2 where there is no artifact.

    Example: keras-attention verify served/spelling
    """
    from keras_attention.export import verification

    terminal = console()
    for folder in verification.artifacts(artifact):
        terminal.print(Text(printable(str(folder))), soft_wrap=True)
        with working("Comparing in a fresh process"):
            replayed = verification.replay_in_fresh_process(folder, tolerance)
        if not replayed["has_manifest"]:
            terminal.print(Text(printable(verification.NO_MANIFEST.format(folder))), soft_wrap=True)
        table = Table("signature", "loader", "cases", "answers", "largest difference", box=None)
        for row in replayed["rows"]:
            table.add_row(
                Text(printable(row["name"])),
                Text(printable(row["loader"])),
                str(row["cases"]),
                "DIFFERENT" if row["problems"] else "equal",
                f"{row['max_abs_difference']:.1e}",
            )
        if replayed["rows"]:
            terminal.print(table)
        verification.raise_on_difference(folder, replayed)
