"""LiteRT: encoder, step and decoding of one example at a time, for phones and small machines."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import tensorflow as tf

from keras_attention._core.backend.loops import without_arrays
from keras_attention._core.optional import require
from keras_attention._core.quiet import quiet, silent_stderr
from keras_attention.export.errors import ExportError
from keras_attention.export.signatures import raw_variables
from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.export.writer import Job


class LiteRTWriter:
    """The directory of LiteRT graphs that `export_model(..., format="litert")` writes.

    | file             | inputs              | outputs                                          |
    | ---------------- | ------------------- | ------------------------------------------------ |
    | `encoder.tflite` | `tokens` (1, S)     | the tensors of the state                         |
    | `step.tflite`    | `token` (B,), state | `logits` (B, V), `attention` (B, S), `next_NAME` |
    | `greedy.tflite`  | `tokens` (1, S)     | `sequences` (1, T), `scores` (1,), `lengths`     |
    |                  |                     | (1,), `attention` (1, T, S)                      |
    | `beam.tflite`    | `tokens` (1, S)     | `sequences` (1, N, T), `scores` (1, N),          |
    |                  |                     | `lengths` (1, N), `attention` (1, N, T, S)       |

    The vocabularies, golden examples and manifest beside them are those of `OnnxWriter`.
    A model that reads images takes `image` `(1, H, W, 3)` instead of `tokens`.
    S is any number. Graphs with a loop take one example; the step takes a batch
    of any size, the same for token and state. A model without attention weights
    has no `attention`. Only operations that LiteRT itself has are used.
    """

    kinds: tuple[str, ...] = ("ids", "call")
    has_versions = False
    batch: int | None = 1
    holds_empty = False
    graphs: dict[str, str] | None = {
        "encoder": "encode",
        "step": "step",
        "greedy": "greedy",
        "beam": "beam",
    }
    verb = "converting"
    golden_file = "examples.npz"
    packages: tuple[str, ...] = ("keras", "tensorflow", "numpy", "ai_edge_litert")

    def check_installed(self) -> None:
        """Raises `ImportError` if ai-edge-litert is missing."""
        require("ai_edge_litert.interpreter", "litert")

    def check_model(self, model: object) -> None:
        """Any model fits."""

    def tracing(self) -> AbstractContextManager[None]:
        """LiteRT has no arrays of tensors; inside, loops write into a tensor."""
        return without_arrays()

    def convert(self, name: str, job: Job) -> bytes:
        """One graph as the content of its file."""
        return litert_graph(name, job)

    def write(self, converted: dict[str, bytes], job: Job, folder: Path) -> None:
        """Writes the graphs and the vocabularies."""
        for name, content in converted.items():
            (folder / f"{name}.tflite").write_bytes(content)
        write_vocabularies(job.model, job.max_length, folder)


def litert_graph(name: str, job: Job, precision: str = "float32") -> bytes:
    """A signature as the content of a file, with weights of a precision.

    In int8 the converter computes products with integers, whose input is
    rounded at each position by itself.
    """
    signature = job.signatures[name]
    module = tf.Module()
    module.variables_of_model = raw_variables(job.model)
    function = tf.function(signature, autograph=False)
    try:
        with quiet(), silent_stderr():
            concrete = function.get_concrete_function(**signature.inputs)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
            if precision != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            return converter.convert()
    except Exception as error:
        raise litert_error(name, error) from error


def litert_error(name: str, error: Exception) -> ExportError:
    """What the converter says, as one line that names the operation."""
    lines = str(error).splitlines()
    # The part before it names a place in the source of the caller.
    found = (line.partition("error: ")[2] for line in lines if "error: " in line)
    reason = " ".join(next(found, str(error)).split())[:300]
    return ExportError(f"{name}.tflite: LiteRT cannot run this model: {reason}")
