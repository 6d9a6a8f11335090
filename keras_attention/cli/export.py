"""`keras-attention export`: a model, with its decoding loop if it decodes, for a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.text import Text

from keras_attention._core.printable import printable
from keras_attention.cli.app import app
from keras_attention.cli.inspect import figures_beside
from keras_attention.cli.options import (
    LengthPenalty,
    MaxLength,
    NumBeams,
    Tolerance,
    chosen_search,
    load,
)
from keras_attention.cli.terminal import console
from keras_attention.generation.settings import SearchSettings


@app.command(no_args_is_help=True)
def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL.keras",
            help="What model.save wrote, or the folder or name of a preset, such as g2p_en.",
        ),
    ],
    path: Annotated[Path, typer.Argument(help="The folder to be; its parent must exist.")],
    format: Annotated[
        Literal["saved_model", "onnx", "litert", "web"], typer.Option(help="Of the artifact.")
    ] = "saved_model",
    kind: Annotated[
        Literal["ids", "call", "text", "image"] | None,
        typer.Option(
            help="What goes in and comes out: ids, the default of a model that decodes (of images "
            "pixels and ids); call, the default of any other; text; or image, files of images in."
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(help="Of the weights (onnx and litert); measure the quality of int8."),
    ] = "float32",
    search: Annotated[
        Literal["beam", "diverse", "greedy", "contrastive"] | None,
        typer.Option(help="Of a model that decodes; by default that of its compile(search=...)."),
    ] = None,
    max_length: MaxLength = None,
    num_beams: NumBeams = None,
    length_penalty: LengthPenalty = None,
    replace_unknown: Annotated[
        bool,
        typer.Option(
            "--replace-unknown",
            help="Of kind text: write the source word with the largest attention weight for <unk>.",
        ),
    ] = False,
    version: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The folder below PATH (saved_model; by default the next free number, or with "
            "--overwrite the highest). TensorFlow Serving takes the highest.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an artifact once the new one is verified.")
    ] = False,
    runtime: Annotated[
        Path | None,
        typer.Option(
            help="Of format web, the folder or .tgz archive of the npm package onnxruntime-web; by "
            "default it is downloaded once."
        ),
    ] = None,
    tolerance: Tolerance = 1e-4,
) -> None:
    """Write a model as SavedModel, ONNX, LiteRT or a web page, with its decoding loop; verify it.

    The numbers of a report.json beside the model are kept in the manifest.

    Example: keras-attention export model.keras served/spelling --kind text
    """
    from keras_attention.export import export_model

    # What is written has a beam search, beside greedy decoding of the same length.
    said = (search, num_beams, max_length, length_penalty) != (None,) * 4
    chosen = chosen_search(search or "beam", num_beams, max_length, length_penalty)
    terminal = console()
    terminal.print(Text(f"Loading {printable(model)}"), soft_wrap=True)
    loaded = load(model)
    terminal.print(Text(f"Exporting to {printable(str(path))}"), soft_wrap=True)
    report = export_model(
        loaded,
        path,
        format=format,
        kind=kind,
        precision=precision,
        search=cast("SearchSettings", chosen) if said else None,
        replace_unknown=replace_unknown,
        version=version,
        overwrite=overwrite,
        tolerance=tolerance,
        figures=figures_beside(Path(model)) if Path(model).is_file() else None,
        runtime=runtime,
    )
    names = ", ".join(report.get("signatures") or report.get("graphs") or [])
    numbered = f", version {report['version']}" if "version" in report else ""
    terminal.print(Text(f"Verified {printable(names)}{numbered}"), soft_wrap=True)
    terminal.print(_agreement(report), soft_wrap=True)


def _agreement(report: dict[str, Any]) -> str:
    """How far the answers are from the model's."""
    if "precision" not in report:
        return (
            "Ids and texts are equal to the model's, the largest difference of floats is "
            f"{report['max_abs_difference']:.1e}"
        )
    about = report["precision"]
    return (
        f"Weights in {about['weights']}: {about['equal_ids']:.1%} of the ids of its examples are "
        f"the model's, floats differ by {about['relative_difference']:.1e} of their size; its "
        "quality was not measured"
    )
