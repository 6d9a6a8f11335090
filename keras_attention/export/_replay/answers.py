"""The answers of an artifact whose weights take fewer bits: they need not be its model's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .artifact import Arrays, Run, artifact_kind, golden_file, read_golden_examples
from .litert import load_litert
from .onnx import load_onnx

LOADERS: dict[str, Callable[[str, str], Run]] = {"onnx": load_onnx, "litert": load_litert}


def save_answers(folder: str, path: str) -> None:
    """Writes what an artifact answers to its golden examples, as these are written.

    Args:
        folder: an artifact of ONNX or LiteRT graphs.
        path: of the `.npz` file to write.

    Raises:
        RuntimeError: if it has no golden examples, or a graph cannot be loaded.
    """
    golden, kind = golden_file(folder), artifact_kind(folder)
    if golden is None or kind not in LOADERS:
        raise RuntimeError("expected ONNX or LiteRT graphs with golden examples")
    examples = read_golden_examples(golden)
    arrays: Arrays = {}
    for name, pairs in examples.items():
        run = LOADERS[kind](folder, name)
        for i, (inputs, _) in enumerate(pairs):
            for side, given in (("inputs", inputs), ("outputs", run(inputs))):
                arrays |= {f"{name}/{i}/{side}/{key}": array for key, array in given.items()}
    # The stubs of numpy take the arrays for its flags.
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
