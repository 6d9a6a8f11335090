"""Keras' own `model.export` for models that decode: named signatures, in one file or folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_attention._core.backend.loops import without_arrays
from keras_attention._core.optional import require
from keras_attention._core.quiet import quiet, silent_stderr
from keras_attention.export.interface import Exportable, check_backend
from keras_attention.export.litert import litert_error
from keras_attention.export.onnx import finish, onnx_graph
from keras_attention.export.signatures import (
    SERVED,
    Signature,
    beam_settings,
    ids_signatures,
    raw_variables,
)
from keras_attention.generation import Search

# What Keras calls the function of an artifact.
SERVE = "serve"
FORMATS = ("tf_saved_model", "onnx", "litert")


def export_as_keras(
    model: Exportable, filepath: str | Path, format: str, search: Search | None = None
) -> None:
    """Writes a model that decodes where and as `keras.Model.export` would.

    | format           | what is written                                                        |
    | ---------------- | ---------------------------------------------------------------------- |
    | `tf_saved_model` | a folder with the signatures of `ids_signatures`, and `serve`          |
    | `onnx`           | one file, the graph `serving_default`                                  |
    | `litert`         | one file with `serving_default`, `encode`, `step`, `greedy` and `beam`, |
    |                  | of one example                                                         |

    Nothing is recorded or verified; `export_model` does that.

    Args:
        model: see `Exportable`.
        filepath: a folder, or a file.
        format: as of `keras.Model.export`.
        search: see `export_model`.

    Raises:
        ValueError: for another format, and a file of another suffix.
        ExportError: if the format lacks an operation of the model.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     model.export(os.path.join(folder, "speller.onnx"), format="onnx")
    """
    check_backend()
    settings = beam_settings(search, model)
    path = Path(filepath)
    if format == "tf_saved_model":
        _write_saved_model(model, ids_signatures(model, settings), path)
    elif format == "onnx":
        for package in ("tf2onnx", "onnx"):
            require(package, "onnx")
        import onnx

        proto = onnx_graph(SERVED, ids_signatures(model, settings)[SERVED])
        finish(proto.graph)
        onnx.save(proto, path)
    elif format == "litert":
        if path.suffix != ".tflite":
            raise ValueError(f"filepath: expected a name that ends in .tflite, received {path}.")
        with without_arrays():
            signatures = ids_signatures(model, settings, batch=1)
            names = (SERVED, "encode", "step", "greedy", "beam")
            kept = {name: signatures[name] for name in names}
            path.write_bytes(_litert(model, kept))
    else:
        raise ValueError(f"format: expected {', '.join(map(repr, FORMATS))}, received {format!r}.")


def _write_saved_model(model: Exportable, signatures: dict[str, Signature], path: Path) -> None:
    functions = _functions(signatures)
    inputs = dict(signatures[SERVED].inputs)
    specs: list[Any] = list(inputs.values())

    def serve(given: Any) -> dict[str, tf.Tensor]:
        named = given if len(inputs) > 1 else {next(iter(inputs)): given}
        answer: dict[str, tf.Tensor] = functions[SERVED](**named)
        return answer

    module = _module(model)
    signature = specs if len(inputs) == 1 else [inputs]
    module.serve = tf.function(serve, input_signature=signature, autograph=False)
    with quiet():
        tf.saved_model.save(module, str(path), signatures=functions)


def _litert(model: Exportable, signatures: dict[str, Signature]) -> bytes:
    """One file with several signatures."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with quiet(), silent_stderr():
                # Without `serve`, for which the converter would leave out the signatures.
                tf.saved_model.save(_module(model), folder, signatures=_functions(signatures))
                converter: Any = tf.lite.TFLiteConverter.from_saved_model(
                    folder, signature_keys=list(signatures)
                )
                converted: bytes = converter.convert()
                return converted
        except Exception as error:
            raise litert_error("model", error) from error


def _functions(signatures: dict[str, Signature]) -> dict[str, Any]:
    return {
        name: tf.function(signature, autograph=False).get_concrete_function(**signature.inputs)
        for name, signature in signatures.items()
    }


def _module(model: Exportable) -> tf.Module:
    module = tf.Module()
    module.model_variables = raw_variables(model)
    return module
