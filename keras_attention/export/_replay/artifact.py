"""What the directory of an artifact contains."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
# The golden examples of one signature: inputs and outputs by name.
Pairs = list[tuple[Arrays, Arrays]]
# One signature of a loaded artifact.
Run = Callable[[Arrays], Arrays]

# The suffix of the files that hold the graphs of a format.
GRAPH_FILES = {"onnx": ".onnx", "litert": ".tflite"}


def golden_file(folder: str | os.PathLike[str]) -> str | None:
    """Where an artifact keeps its golden examples, or None if it is no artifact."""
    for path in ("assets.extra/examples.npz", "examples.npz"):
        path = os.path.join(str(folder), *path.split("/"))
        if os.path.isfile(path):
            return path
    return None


def is_saved_model(folder: str | os.PathLike[str]) -> bool:
    """Whether a directory is a SavedModel."""
    return os.path.isfile(os.path.join(str(folder), "saved_model.pb"))


def artifact_kind(folder: str | os.PathLike[str]) -> str | None:
    """`"saved_model"`, `"onnx"`, `"litert"`, or None if it is none of them."""
    if is_saved_model(folder):
        return "saved_model"
    return next((kind for kind in GRAPH_FILES if graph_names(folder, kind)), None)


def graph_names(folder: str | os.PathLike[str], kind: str) -> set[str]:
    """The names of the graphs of a format, without the suffix."""
    ending = GRAPH_FILES[kind]
    try:
        files = os.listdir(str(folder))
    except NotADirectoryError:
        return set()
    return {name[: -len(ending)] for name in files if name.endswith(ending)}


def read_golden_examples(path: str | os.PathLike[str]) -> dict[str, Pairs]:
    """`{signature: [(inputs, outputs), ...]}`, dictionaries of arrays by name."""
    found: dict[str, dict[int, tuple[Arrays, Arrays]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            signature, number, side, name = key.split("/")
            recorded = found.setdefault(signature, {})
            pair = recorded.setdefault(int(number), ({}, {}))
            pair[side == "outputs"][name] = arrays[key]
    return {name: [pairs[i] for i in sorted(pairs)] for name, pairs in found.items()}


def check_names(what: str, found: set[str], expected: set[str]) -> None:
    """Refuses an artifact that offers more or less than was recorded."""
    if found != expected:
        raise RuntimeError(
            f"expected the {what}s {', '.join(sorted(expected))}, found {', '.join(sorted(found))}"
        )
