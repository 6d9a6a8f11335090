"""LiteRT graphs, run by ai-edge-litert."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .artifact import Arrays, Pairs, Run, check_names, graph_names
from .comparing import first_line, replay


def load_litert(folder: str, name: str) -> Run:
    """One graph, run by the interpreter of ai-edge-litert."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(os.path.join(folder, f"{name}.tflite")).get_signature_runner()

    def run(inputs: Arrays) -> Arrays:
        found: Arrays = runner(**inputs)
        return found

    return run


def replay_litert(
    folder: str, examples: dict[str, Pairs], tolerance: float
) -> Iterator[dict[str, Any]]:
    """Rows of every graph, run by the interpreter of ai-edge-litert."""
    check_names("graph", graph_names(folder, "litert"), set(examples))
    for name, pairs in examples.items():
        try:
            run = load_litert(folder, name)
        except Exception as error:
            raise RuntimeError(f"{name}.tflite cannot be loaded: {first_line(error)}") from error
        yield replay(name, "litert", pairs, run, tolerance)
