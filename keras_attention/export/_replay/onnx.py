"""ONNX, checked by onnx and run by onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .artifact import Arrays, Pairs, Run, check_names, graph_names
from .comparing import first_line, replay


def load_onnx(folder: str, name: str) -> Run:
    """One graph, run by onnxruntime."""
    import onnxruntime

    path = os.path.join(folder, f"{name}.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, inputs)))

    return run


def replay_onnx(
    folder: str, examples: dict[str, Pairs], tolerance: float
) -> Iterator[dict[str, Any]]:
    """Rows of every graph: checked by onnx, then run by onnxruntime."""
    import onnx

    check_names("graph", graph_names(folder, "onnx"), set(examples))
    for name, pairs in examples.items():
        path = os.path.join(folder, f"{name}.onnx")
        try:
            onnx.checker.check_model(path, full_check=True)
            run = load_onnx(folder, name)
        except Exception as error:
            raise RuntimeError(f"{name}.onnx cannot be loaded: {first_line(error)}") from error
        yield replay(name, "onnxruntime", pairs, run, tolerance)
