"""The route of every export: signatures, golden examples, files, verification."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import keras

from keras_attention._core.checks import check_choice, check_finite, check_positive
from keras_attention._core.types import Config
from keras_attention.export._replay import golden_file
from keras_attention.export.artifact import Artifact
from keras_attention.export.call.exporting import CallExport
from keras_attention.export.certificate import certificate_of
from keras_attention.export.decoding import DecodingExport, decoding_model
from keras_attention.export.golden import GoldenExample, write_golden_examples
from keras_attention.export.interface import Exportable, check_backend, check_exportable
from keras_attention.export.litert import LiteRTWriter
from keras_attention.export.manifest import describe, write_manifest
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.precision.reducing import check_precision, reduce_artifact
from keras_attention.export.progress import Progress
from keras_attention.export.saved_model import SavedModelWriter
from keras_attention.export.signatures import Signature, beam_settings
from keras_attention.export.verification import TOLERANCE, verify_artifact
from keras_attention.export.web import Runtime, WebWriter
from keras_attention.export.writer import Job, Writer
from keras_attention.export.writing import atomic_directory, next_version
from keras_attention.generation.settings import SearchSettings

Format = Literal["saved_model", "onnx", "litert", "web"]
Precision = Literal["float32", "float16", "int8"]
Kind = Literal["ids", "call", "text", "image"]
KINDS = ("ids", "call", "text", "image")

# A new format needs a writer here, and a function that replays it in `replay.reporting`.
WRITERS: dict[str, Writer] = {
    "saved_model": SavedModelWriter(),
    "onnx": OnnxWriter(),
    "litert": LiteRTWriter(),
    "web": WebWriter(),
}


class Plan(Protocol):
    """What is exported of a model: `DecodingExport`, or `CallExport`.

    Attributes:
        signatures: the functions of the artifact, after `trace`.
        resources: what a SavedModel must keep besides the variables.
        count: the number of batches to record.
        longest: how many tokens are read of a text, None if it has no limit.
    """

    signatures: dict[str, Signature]
    resources: list[Any]
    count: int
    longest: int | None

    def trace(self) -> None:
        """Makes the signatures, for the format that is being written."""

    def graphs(self, files: dict[str, str] | None) -> dict[str, str]:
        """Names in the artifact and their signatures."""

    def record(
        self, names: Iterable[str], progress: Callable[[str], None]
    ) -> dict[str, list[GoldenExample]]:
        """The answers of the live model."""


def export_model(
    model: Exportable | keras.Model,
    path: str | Path,
    *,
    format: Format = "saved_model",
    kind: Kind | None = None,
    precision: Precision = "float32",
    search: SearchSettings | None = None,
    source_vocabulary: object = None,
    replace_unknown: bool | Mapping[str, str] = False,
    version: int | None = None,
    overwrite: bool = False,
    examples: Iterable[Any] | None = None,
    tolerance: float = TOLERANCE,
    figures: Mapping[str, float] | None = None,
    check: Callable[[Artifact], float] | None = None,
    at_least: float | None = None,
    runtime: str | Path | None = None,
    verbose: bool = True,
) -> dict[str, Any]:
    """Writes a Keras model, with its decoding loop if it decodes, and verifies what was written.

    | format        | what appears                      | kinds                  | runs in        |
    | ------------- | --------------------------------- | ---------------------- | -------------- |
    | `saved_model` | `PATH/VERSION/`, a SavedModel     | ids, call, text, image | TensorFlow     |
    | `onnx`        | `PATH/`, graphs, vocabularies     | ids, call              | onnxruntime    |
    | `litert`      | `PATH/`, the same, of one example | ids, call              | ai-edge-litert |
    | `web`         | `PATH/`, a page with its graphs   | ids                    | a browser      |

    Of a model that decodes, `SavedModelWriter`, `OnnxWriter`, `LiteRTWriter`
    and `WebWriter` list the signatures and their tensors. Any other Keras model (a classifier,
    a tagger, an encoder) is exported with its call: the signature
    `serving_default`, in the other formats the graph `model`. Its inputs have
    the names of the `keras.Input` tensors, or of the keys of a dictionary; its
    outputs those of the keys, or of the layers that give them. The weights of
    attention layers come last, as `attention`, or of several layers as
    `attention_LAYER`, even where the model itself does not return them.

    A `manifest.json` lists what the artifact is and every file of it, see
    `keras_attention.export.manifest.describe`. The answers of the live model
    are recorded first and stay in the artifact.
    What was written is loaded by a fresh process that cannot import Keras, and
    must give the same answers: ids and texts equal, floats within `tolerance`.
    Only then does the artifact appear; after an error nothing is left behind.

    Args:
        model: a Keras model, or anything that decodes, with `variables`; see
            `Exportable` for what it may declare. For text its
            `source_vocabulary` and `target_vocabulary` must be `Vocabulary`
            objects, for files of images its `vocabulary`.
        path: a directory to be made; its parent must exist.
        format: `"saved_model"`, `"onnx"`, `"litert"` or `"web"`.
        kind: what goes in and comes out. Of a model that decodes `"ids"` (where
            it reads images: pixels in, ids out), `"text"`, or `"image"`, files
            of images in and text out. Of any other `"call"`, `"text"`, which
            takes the place of its ids, or `"image"`, files in the place of its
            pixels. By default `"ids"` or `"call"`.
        precision: of the weights in ONNX and LiteRT graphs. `"float16"` takes half
            the bytes, `"int8"` about a quarter, with a scale for each row of a
            table and each unit of a layer; arithmetic stays in float32, except
            large products in int8. First the artifact is verified in float32;
            then its weights are stored in fewer bits, and its own answers
            become those that `verify` compares with. They may be other ids
            than the model's: measure their quality by `check`; without, the
            manifest says that it was not measured.
        search: settings of decoding, `max_length` among them: a `BeamSearch` or
            any other search but `Sample`; by default those of the model's
            `compile(search=...)`, or `BeamSearch()`. Greedy decoding stops at
            the same `max_length`.
        source_vocabulary: turns text into ids, for `kind="text"` of a model that
            does not decode: whatever `keras_attention.text.as_vocabulary`
            takes, such as a `TextVectorization`. By default the model's own.
        replace_unknown: of `kind="text"` of a model that decodes, what the
            artifact writes for `<unk>`: `True` copies the source word with the
            largest attention weight, a dictionary gives its translation. By
            default `<unk>` stays.
        version: of a SavedModel, the name of the directory below `path`, a
            positive integer; by default the number after the highest there is,
            once the artifact is written.
        overwrite: whether an artifact that exists is replaced once the new one
            is verified; of SavedModels without a `version` the highest one.
        examples: batches to verify with. Ids `(B, S)` or images
            `(B, H, W, 3)`, for text lists of strings, for files of images lists
            of bytes; for LiteRT of one example each. Of a model that does not
            decode and has several inputs, dictionaries of arrays by name. By
            default random, ids and text from the `source_vocabulary`, ids of a
            call below the `input_dim` of the `Embedding` that reads them.
        tolerance: the largest allowed difference of floats, see `verify`. Half
            precision needs a larger one.
        figures: what was measured of the trained model, numbers by name, such
            as `{"bleu": 31.2}`; they are kept in the manifest.
        check: `check(artifact) -> number`, a measure of quality, larger is better.
            It gets the artifact itself, loaded by its own runtime, see
            `Artifact`, and measures it on data of yours: the artifact may be
            less accurate than the model. The number is kept in the manifest,
            under `quality`.
        at_least: the smallest number of `check` with which the artifact
            appears; by default any.
        runtime: of the web format, the folder or the `.tgz` archive of the npm
            package `onnxruntime-web`; by default it is downloaded from the npm
            registry once, see `keras_attention.export.web.Runtime`.
        verbose: whether progress is shown on the error stream: a line per
            stage, on a terminal a bar.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference`, and the names of
        the `signatures` (SavedModel) or `graphs`; of a SavedModel also
        `version`, with `check` also `quality`. In another precision than
        float32 also `precision`, with `weights`, `equal_ids` (the share of
        equal ids) and `relative_difference` (the largest of an output, as the
        norm of the difference over that of the model's answer, without those
        of searches).

    Raises:
        ValueError: for a model that is no Keras model and does not decode, or
            lacks the vocabularies, an unknown format, a kind that the format or
            the model does not take, a `precision` that the format has not, a
            `version` of a format without versions, a `search` that is no beam
            search, examples of other shapes, figures that are no numbers, and
            `at_least` without `check`.
        FileExistsError: if the target exists and `overwrite` is not set, or it
            is no artifact.
        OSError: if nothing can be written, or the disk is full.
        ImportError: if a package is missing that the format needs.
        ExportError: if the format lacks an operation of the model, the
            artifact answers differently, or `check` gives less than `at_least`.

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
    writer = _writer(format, runtime)
    writer.check_installed()
    check_backend()
    if kind in (None, "ids"):
        model = decoding_model(model, required=kind == "ids")
    taken = _natural_kind(model, kind)
    _check_fits(writer, format, taken, version)
    check_precision(precision, format)
    writer.check_model(model)
    search = beam_settings(search, model)
    plan = _plan(model, taken, writer, search, examples, replace_unknown, source_vocabulary)
    checked = {str(n): check_finite(f"figures[{n!r}]", x) for n, x in (figures or {}).items()}
    certificate = certificate_of(check, at_least)
    target = Path(path)
    is_next = writer.has_versions and version is None and not overwrite
    if writer.has_versions:
        version = next_version(path, overwrite) if version is None else version
        target = target / str(version)

    def following() -> Path:
        nonlocal target
        target = Path(path, str(next_version(path)))
        return target

    with (
        writer.tracing(),
        atomic_directory(target, overwrite, _is_artifact, following if is_next else None) as folder,
    ):
        plan.trace()
        graphs = plan.graphs(writer.graphs)
        stages = 1 if precision == "float32" else 2
        count = plan.count + stages * (len(graphs) + 2) + (check is not None)
        with Progress(count, verbose) as progress:
            recorded = plan.record(list(graphs.values()), progress)
            job = Job(
                model,
                Path(path).name,
                format,
                taken,
                writer.batch,
                plan.longest,
                None if isinstance(plan, CallExport) else search,
                checked,
                {graph: plan.signatures[name] for graph, name in graphs.items()},
                {graph: recorded[name] for graph, name in graphs.items()},
                plan.resources,
            )
            converted, contents = _write(writer, job, folder, progress)
            progress("verifying in a fresh process")
            report = verify_artifact(folder, tolerance, target)
            if precision != "float32":
                report |= reduce_artifact(
                    converted,
                    job,
                    contents,
                    folder,
                    writer=writer,
                    precision=precision,
                    verify=partial(verify_artifact, folder, tolerance, target),
                    progress=progress,
                )
            if certificate is not None:
                progress("measuring its quality")
                report["quality"] = certificate.measure(folder, target)
    return {**report, "version": int(target.name)} if writer.has_versions else report


def _write(
    writer: Writer, job: Job, folder: Path, progress: Callable[[str], None]
) -> tuple[dict[str, Any], Config]:
    """Writes an artifact that is yet to be verified: its graphs, and what its manifest says."""
    converted = {}
    for graph in job.examples:
        progress(f"{writer.verb} {graph}")
        converted[graph] = writer.convert(graph, job)
    progress("writing")
    writer.write(converted, job, folder)
    write_golden_examples(folder / writer.golden_file, job.examples)
    contents = describe(job, writer.packages, folder)
    write_manifest(folder, contents)
    return converted, contents


def _plan(
    model: Any,
    kind: str,
    writer: Writer,
    search: SearchSettings,
    examples: Iterable[Any] | None,
    replace_unknown: bool | Mapping[str, str],
    source_vocabulary: object,
) -> Plan:
    """What is exported of a model."""
    if kind != "call" and isinstance(model, Exportable):
        return DecodingExport(
            model, kind, search, writer.batch, examples, replace_unknown, writer.holds_empty
        )
    if replace_unknown is not False:
        raise ValueError(
            "replace_unknown: expected False for a model that does not decode, received "
            f"{replace_unknown!r}."
        )
    return CallExport(_callable_model(model), kind, writer.batch, examples, source_vocabulary)


def _writer(format: str, runtime: str | Path | None) -> Writer:
    check_choice("format", format, tuple(WRITERS))
    if runtime is None:
        return WRITERS[format]
    if format != "web":
        raise ValueError(f"runtime: expected None for format {format!r}, received {runtime!r}.")
    return WebWriter(Runtime(runtime))


def _natural_kind(model: object, kind: str | None) -> str:
    if kind is not None:
        return check_choice("kind", kind, KINDS)
    return "ids" if isinstance(model, Exportable) else "call"


def _callable_model(model: object) -> keras.Model:
    """Refuses what is neither a decoder nor a Keras model."""
    if not isinstance(model, keras.Model):
        check_exportable(model)
    return model


def _check_fits(writer: Writer, format: str, kind: str, version: int | None) -> None:
    """Refuses a kind or a version that the format has not."""
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


def _is_artifact(path: Path) -> bool:
    return golden_file(path) is not None
