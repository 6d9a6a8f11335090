"""What lies in the directory of an artifact."""

import os

import numpy as np

# By the ending of the files that hold its graphs.
GRAPH_FILES = {"onnx": ".onnx", "litert": ".tflite"}


def golden_file(folder):
    """Where an artifact keeps its golden examples, or None if it is no artifact."""
    folder = str(folder)
    for path in ("assets.extra/examples.npz", "examples.npz"):
        path = os.path.join(folder, *path.split("/"))
        if os.path.isfile(path):
            return path
    return None


def is_saved_model(folder):
    """Whether a directory is a SavedModel."""
    return os.path.isfile(os.path.join(str(folder), "saved_model.pb"))


def artifact_kind(folder):
    """`"saved_model"`, `"onnx"`, `"litert"`, or None for what is none of them."""
    if is_saved_model(folder):
        return "saved_model"
    return next((kind for kind in GRAPH_FILES if graph_names(folder, kind)), None)


def graph_names(folder, kind):
    """The names of the graphs of a kind, without the ending."""
    ending = GRAPH_FILES[kind]
    try:
        files = os.listdir(str(folder))
    except NotADirectoryError:
        return set()
    return {name[: -len(ending)] for name in files if name.endswith(ending)}


def read_golden_examples(path):
    """`{signature: [(inputs, outputs), ...]}`, dictionaries of arrays by name."""
    found = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            signature, number, side, name = key.split("/")
            recorded = found.setdefault(signature, {})
            pair = recorded.setdefault(int(number), ({}, {}))
            pair[side == "outputs"][name] = arrays[key]
    return {name: [pairs[i] for i in sorted(pairs)] for name, pairs in found.items()}


def check_names(what, found, expected):
    """Refuses an artifact that offers more or less than was recorded."""
    if found != expected:
        raise RuntimeError(
            f"expected the {what}s {', '.join(sorted(expected))}, found {', '.join(sorted(found))}"
        )
