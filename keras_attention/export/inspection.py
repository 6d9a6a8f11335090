"""What is in an artifact: its signatures, vocabularies and files, read without running it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_attention._core.optional import require
from keras_attention._core.types import Config
from keras_attention.export._replay import manifest as listing
from keras_attention.export._replay.artifact import (
    GRAPH_FILES,
    artifact_kind,
    golden_file,
    graph_names,
    read_golden_examples,
)
from keras_attention.export.onnx_passes.metadata import graph_metadata

_LARGEST_JSON = 2**26
_LARGEST_GRAPH = 2**31


def describe_artifact(folder: str | Path) -> Config:
    """The contents of an artifact as plain values.

    Args:
        folder: a SavedModel, or a directory of ONNX or LiteRT files.

    Returns:
        A dictionary: `format`, `signatures` (for each the `inputs` and
        `outputs`, names with `dtype` and `shape`, None where a size is not
        fixed), `graphs` (of ONNX files by name, see `graph_metadata`),
        `vocabulary` (of `vocabulary.json`, or None), `verified` (the
        number of recorded examples by signature), `manifest` (of
        `manifest.json`, or None), `differences` (a line for each file that is
        not as the manifest lists it), and `files` with `bytes` and `sha256`.

    Raises:
        FileNotFoundError: if there is no artifact.
        ValueError: if a file of it cannot be read.
    """
    folder = Path(folder)
    kind = artifact_kind(folder)
    if kind is None:
        raise FileNotFoundError(f"{folder} holds no artifact.")
    golden = golden_file(folder)
    try:
        examples = {} if golden is None else read_golden_examples(golden)
    except Exception as error:
        raise ValueError(f"{golden} cannot be read: {type(error).__name__}: {error}") from error
    try:
        signatures = signatures_of(folder, kind)
    except ImportError:
        # Without the package of the format: as they were recorded, with the sizes of an example.
        signatures = {
            name: dict(zip(("inputs", "outputs"), map(_recorded, pairs[0])))
            for name, pairs in examples.items()
        }
    try:
        manifest = listing.read_manifest(folder)
        changed = [] if manifest is None else listing.differences(folder, manifest)
    except RuntimeError as error:
        raise ValueError(f"{folder} cannot be read: {error}") from error
    return {
        "format": kind,
        "signatures": signatures,
        "graphs": _graphs(folder) if kind == "onnx" else {},
        "vocabulary": _vocabulary(folder),
        "verified": {name: len(pairs) for name, pairs in examples.items()},
        "manifest": manifest,
        "differences": changed,
        "files": [
            {"name": path.relative_to(folder).as_posix(), **checksum(path)}
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ],
    }


def checksum(path: Path) -> Config:
    """The size and the SHA-256 of a file."""
    found = listing.checksum(path)
    return {"bytes": found["size"], "sha256": found["sha256"]}


def signatures_of(folder: Path, kind: str) -> Config:
    """The `inputs` and `outputs` of each signature, see `describe_artifact`.

    Raises:
        ImportError: if the package of the format is missing.
        ValueError: if a file cannot be read.
    """
    return _READERS[kind](folder)


def _saved_model(folder: Path) -> Config:
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(_bounded(folder / "saved_model.pb"))
    except Exception as error:
        raise ValueError(f"saved_model.pb is damaged: {error}") from error

    def tensor(info: Any) -> Config:
        shape = None
        if not info.tensor_shape.unknown_rank:
            shape = [None if d.size < 0 else d.size for d in info.tensor_shape.dim]
        return {"dtype": _dtype(types_pb2.DataType.Name(info.dtype)[3:]), "shape": shape}

    return {
        name: {
            "inputs": {n: tensor(i) for n, i in sorted(signature.inputs.items())},
            "outputs": {n: tensor(i) for n, i in sorted(signature.outputs.items())},
        }
        for graph in content.meta_graphs
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def _onnx(folder: Path) -> Config:
    onnx = require("onnx", "onnx")

    def tensor(value: Any) -> Config:
        kind = value.type.tensor_type
        dims = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        return {"dtype": _dtype(onnx.TensorProto.DataType.Name(kind.elem_type)), "shape": dims}

    signatures = {}
    for name, model in _onnx_models(folder):
        graph = model.graph
        weights = {one.name for one in graph.initializer}
        signatures[name] = {
            "inputs": {v.name: tensor(v) for v in graph.input if v.name not in weights},
            "outputs": {v.name: tensor(v) for v in graph.output},
        }
    return signatures


def _onnx_models(folder: Path) -> Iterator[tuple[str, Any]]:
    """The models of an artifact by name, one in memory at a time."""
    onnx = require("onnx", "onnx")
    for name in sorted(graph_names(folder, "onnx")):
        try:
            model = onnx.load_model_from_string(_bounded(folder / f"{name}.onnx"))
        except Exception as error:
            raise ValueError(f"{name}.onnx is damaged: {error}") from error
        yield name, model


def _graphs(folder: Path) -> Config:
    """What ONNX files say of themselves; nothing without the package onnx."""
    try:
        return {name: graph_metadata(model) for name, model in _onnx_models(folder)}
    except ImportError:
        return {}


def _litert(folder: Path) -> Config:
    interpreter = require("ai_edge_litert.interpreter", "litert")

    def tensor(detail: Any) -> Config:
        sizes = [None if size < 0 else int(size) for size in detail["shape_signature"]]
        return {"dtype": detail["dtype"].__name__, "shape": sizes}

    signatures = {}
    for name in sorted(graph_names(folder, "litert")):
        path = folder / f"{name}{GRAPH_FILES['litert']}"
        try:
            runner = interpreter.Interpreter(str(path)).get_signature_runner()
        except Exception as error:
            raise ValueError(f"{path.name} is damaged: {error}") from error
        signatures[name] = {
            "inputs": {n: tensor(d) for n, d in runner.get_input_details().items()},
            "outputs": {n: tensor(d) for n, d in runner.get_output_details().items()},
        }
    return signatures


_READERS = {"saved_model": _saved_model, "onnx": _onnx, "litert": _litert}


def _dtype(name: str) -> str:
    """The name of a dtype as NumPy has it."""
    return {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}.get(name, name.lower())


def _recorded(arrays: dict[str, Any]) -> Config:
    return {n: {"dtype": a.dtype.name, "shape": list(a.shape)} for n, a in sorted(arrays.items())}


def _vocabulary(folder: Path) -> Any:
    path = next((p for p in folder.glob("**/vocabulary.json") if p.is_file()), None)
    if path is None:
        return None
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError(f"{path}: expected at most {_LARGEST_JSON:,} bytes.")
    return json.loads(path.read_text("utf-8"))


def _bounded(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_GRAPH:
        raise ValueError(f"{path}: expected at most {_LARGEST_GRAPH:,} bytes.")
    return path.read_bytes()
