"""The route of every export: signatures, golden examples, files, verification."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from keras_attention._core.checks import check_choice, check_positive
from keras_attention.export._replay import golden_file
from keras_attention.export.golden import record_ids, record_text, write_golden_examples
from keras_attention.export.interface import Exportable, check_exportable
from keras_attention.export.litert import LiteRTWriter
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.progress import Progress
from keras_attention.export.saved_model import SavedModelWriter, next_version
from keras_attention.export.signatures import beam_settings, ids_signatures, text_signatures
from keras_attention.export.sources import Source, source_of
from keras_attention.export.verification import TOLERANCE, verify_artifact
from keras_attention.export.writer import Job, Writer
from keras_attention.export.writing import atomic_directory
from keras_attention.generation import BeamSearch

Format = Literal["saved_model", "onnx", "litert"]
Kind = Literal["ids", "text", "image"]

# A new format needs a writer here, and a function that replays it in `replay.reporting`.
WRITERS: dict[str, Writer] = {
    "saved_model": SavedModelWriter(),
    "onnx": OnnxWriter(),
    "litert": LiteRTWriter(),
}


def export_model(
    model: Exportable,
    path: str | Path,
    *,
    format: Format = "saved_model",
    kind: Kind = "ids",
    search: BeamSearch | None = None,
    version: int | None = None,
    overwrite: bool = False,
    examples: Iterable[Any] | None = None,
    tolerance: float = TOLERANCE,
    verbose: bool = True,
) -> dict[str, Any]:
    """Writes a model with its decoding loop, and verifies what was written.

    | format        | what appears                        | kinds            | runs in             |
    | ------------- | ----------------------------------- | ---------------- | ------------------- |
    | `saved_model` | `PATH/VERSION/`, a SavedModel       | ids, text, image | TensorFlow, Serving |
    | `onnx`        | `PATH/`, four graphs, vocabularies  | ids              | onnxruntime         |
    | `litert`      | `PATH/`, the same, of one example   | ids              | ai-edge-litert      |

    `SavedModelWriter`, `OnnxWriter` and `LiteRTWriter` list the signatures and
    their tensors.

    The answers of the live model are recorded first and stay in the artifact.
    What was written is loaded by a fresh process that cannot import Keras, and
    must give the same answers: ids and texts equal, floats within `tolerance`.
    Only then does the artifact appear; after an error nothing is left behind.

    Args:
        model: a model that decodes, with `variables`; see `Exportable` for what
            it may declare. For text its `source_vocabulary` and
            `target_vocabulary` must be `Vocabulary` objects, for files of images
            its `vocabulary`.
        path: a directory to be made; its parent must exist.
        format: `"saved_model"`, `"onnx"` or `"litert"`.
        kind: what goes in and comes out: `"ids"` (of a model that reads images:
            pixels in, ids out), `"text"`, or `"image"`, files of images in and
            text out.
        search: settings of decoding, `max_length` among them; by default
            `BeamSearch()`. Greedy decoding stops at the same `max_length`.
        version: of a SavedModel, the name of the directory below `path`, a
            positive integer; by default the number after the highest there is.
        overwrite: whether an artifact that exists is replaced once the new one
            is verified; of SavedModels without a `version` the highest one.
        examples: batches to verify with. Ids `(B, S)` or images
            `(B, H, W, 3)`, for text lists of strings, for files of images lists
            of bytes; for LiteRT of one example each. By default random, ids and
            text from the `source_vocabulary`.
        tolerance: the largest allowed difference of floats, see `verify`. Half
            precision needs a larger one.
        verbose: whether progress is shown on the error stream: a line per
            stage, on a terminal a bar.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference`, and the names of
        the `signatures` (SavedModel) or `graphs`; of a SavedModel also
        `version`.

    Raises:
        ValueError: for a model that does not decode or lacks the vocabularies,
            an unknown format, a kind that the format or the model does not
            take, a `version` of a format without versions, a `search` that is
            no beam search, and examples of other shapes.
        FileExistsError: if the target exists and `overwrite` is not set, or it
            is no artifact.
        OSError: if nothing can be written, or the disk is full.
        ImportError: if a package is missing that the format needs.
        ExportError: if the format lacks an operation of the model, or the
            artifact answers differently.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export import export_model
    >>> from keras_attention.generation import BeamSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     path = os.path.join(folder, "speller")
    ...     report = export_model(model, path, search=BeamSearch(max_length=32))
    >>> report["ids_equal"]  # doctest: +SKIP
    True
    """
    check_choice("format", format, tuple(WRITERS))
    writer = WRITERS[format]
    writer.check_installed()
    _check_fits(writer, format, kind, version)
    check_exportable(model)
    search = beam_settings(search)
    source = source_of(model, kind)
    batches = _batches(writer, source, examples)
    target = Path(path)
    if writer.has_versions:
        version = next_version(path, overwrite) if version is None else version
        target = target / str(version)

    with (
        writer.tracing(),
        atomic_directory(target, overwrite, replaceable=_is_artifact) as folder,
    ):
        signatures, resources = _signatures(model, kind, search, writer.batch)
        graphs = writer.graphs or {name: name for name in signatures}
        with Progress(len(batches) + len(graphs) + 2, verbose) as progress:
            record = record_ids if kind == "ids" else record_text
            recorded = record(signatures, source, batches, list(graphs.values()), progress)
            job = Job(
                model,
                Path(path).name,
                search.max_length,
                {graph: signatures[name] for graph, name in graphs.items()},
                {graph: recorded[name] for graph, name in graphs.items()},
                resources,
            )
            converted = {}
            for graph in graphs:
                progress(f"{writer.verb} {graph}")
                converted[graph] = writer.convert(graph, job)
            progress("writing")
            writer.write(converted, job, folder)
            write_golden_examples(folder / writer.golden_file, job.examples)
            progress("verifying in a fresh process")
            report = verify_artifact(folder, tolerance, target)
    return {**report, "version": version} if writer.has_versions else report


def _check_fits(writer: Writer, format: str, kind: str, version: int | None) -> None:
    """Refuses a kind or a version that the format has not."""
    check_choice("kind", kind, ("ids", "text", "image"))
    if kind not in writer.kinds:
        kinds = " or ".join(map(repr, writer.kinds))
        raise ValueError(f"kind: expected {kinds} for format {format!r}, received {kind!r}.")
    if version is None:
        return
    if not writer.has_versions:
        raise ValueError(
            f"version: expected None, because format {format!r} has no versions, received "
            f"{version!r}."
        )
    check_positive("version", version)


def _batches(
    writer: Writer, source: Source, examples: Iterable[Any] | None
) -> list[np.ndarray[Any, Any]]:
    """The batches to verify with, of the size that the format takes."""
    batches = source.batches(examples)
    if writer.batch is None:
        return batches
    if examples is None:
        return [single for batch in batches for single in source.singles(batch)]
    if any(len(batch) != writer.batch for batch in batches):
        received = ", ".join(str(batch.shape) for batch in batches)
        raise ValueError(f"examples: expected batches of one example, received shapes {received}.")
    return batches


def _signatures(
    model: Exportable, kind: str, search: BeamSearch, batch: int | None
) -> tuple[dict[str, Any], list[Any]]:
    """The functions of an artifact, and the resources that they use."""
    if kind == "ids":
        return ids_signatures(model, search, batch), []
    return text_signatures(model, search, kind)


def _is_artifact(path: Path) -> bool:
    return golden_file(path) is not None
