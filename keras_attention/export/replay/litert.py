"""LiteRT graphs, run by ai-edge-litert."""

import os

from .artifact import check_names, graph_names
from .comparing import first_line, replay


def replay_litert(folder, examples, tolerance):
    """Rows of every graph, run by the interpreter of ai-edge-litert."""
    from ai_edge_litert.interpreter import Interpreter

    check_names("graph", graph_names(folder, "litert"), set(examples))
    for name, cases in examples.items():
        try:
            interpreter = Interpreter(os.path.join(folder, f"{name}.tflite"))
            run = interpreter.get_signature_runner()
        except Exception as error:
            raise RuntimeError(f"{name}.tflite cannot be loaded: {first_line(error)}") from error
        yield replay(name, "litert", cases, lambda inputs, run=run: run(**inputs), tolerance)
