"""A verified artifact in fewer bits: rounded, compared with the model, and verified again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_attention._core.types import Config
from keras_attention.export.golden import write_golden_examples
from keras_attention.export.litert import litert_graph
from keras_attention.export.manifest import write_manifest
from keras_attention.export.precision.agreement import agreement
from keras_attention.export.precision.weights import store_weights
from keras_attention.export.verification import answers_in_fresh_process
from keras_attention.export.writer import Job, Writer

if TYPE_CHECKING:
    import onnx


def _onnx(name: str, graph: onnx.ModelProto, job: Job, precision: str) -> onnx.ModelProto:
    store_weights(graph.graph, precision)
    return graph


def _litert(name: str, graph: bytes, job: Job, precision: str) -> bytes:
    return litert_graph(name, job, precision)


# How a format stores the weights of a graph in fewer bits.
REDUCERS: Mapping[str, Callable[[str, Any, Job, str], Any]] = {"onnx": _onnx, "litert": _litert}

# What the manifest says of an artifact in fewer bits that no `check` has measured.
NOT_MEASURED = {"measured": None, "at_least": None}


def check_precision(precision: str, format: str) -> None:
    """Refuses what no format, or not this one, has.

    Raises:
        ValueError: if it is not one of the format's precisions.
    """
    known = ("float32", "float16", "int8") if format in REDUCERS else ("float32",)
    if precision not in known:
        names = " or ".join(map(repr, known))
        raise ValueError(
            f"precision: expected {names} for format {format!r}, received {precision!r}."
        )


def reduce_artifact(
    converted: dict[str, Any],
    job: Job,
    contents: Config,
    folder: Path,
    *,
    writer: Writer,
    precision: str,
    verify: Callable[[], object],
    progress: Callable[[str], None],
) -> Config:
    """Writes an artifact again, with its weights in fewer bits.

    Ids need not be the model's any more. The answers are compared with the
    model's, and then take their place in the golden examples, so that
    `verify` compares what the artifact answered when it was written.

    Args:
        converted: the graphs in float32, of an artifact that was verified.
        job: what was written.
        contents: of its manifest; `precision` and `quality` are set in place.
        folder: where it was written.
        writer: of the format.
        precision: `"float16"` or `"int8"`.
        verify: raises if the artifact does not answer as its golden examples.
        progress: called with a line for each stage.

    Returns:
        A dictionary: `ids_equal` and `max_abs_difference` compared with the
        model, and `precision` as it is in the manifest: `weights`,
        `equal_ids` and `relative_difference`, see `Agreement`.

    Raises:
        ExportError: if the answers are not those of a rounded model.
    """
    reduced = {}
    for name, graph in converted.items():
        progress(f"storing the weights of {name} in {precision}")
        reduced[name] = REDUCERS[job.format](name, graph, job, precision)
    writer.write(reduced, job, folder)
    progress("comparing with the model in a fresh process")
    answers = answers_in_fresh_process(folder)
    found = agreement(job.examples, answers, precision)
    own = {
        name: [one._replace(outputs=outputs) for one, (_, outputs) in zip(examples, answers[name])]
        for name, examples in job.examples.items()
    }
    write_golden_examples(folder / writer.golden_file, own)
    about = {
        "weights": precision,
        "equal_ids": round(found.equal_ids, 4),
        "relative_difference": round(found.relative_difference, 6),
    }
    contents |= {"precision": about, "quality": NOT_MEASURED}
    write_manifest(folder, contents)
    progress("verifying in a fresh process")
    verify()
    return {
        "ids_equal": found.equal_ids == 1.0,
        "max_abs_difference": found.max_abs_difference,
        "precision": about,
    }
