"""Runs an ONNX graph on a batch without examples; needs onnxruntime and numpy alone.

python tests/support/empty_batches.py GRAPH.onnx    # prints the shapes of the outputs as JSON
"""

import json
import subprocess
import sys

import numpy as np
import onnxruntime

_DTYPES = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(bool)": "bool"}
_OPEN = 3


def empty_answer(path):
    """The shapes of the outputs of a graph; sizes that are open are 3 in its inputs."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {}
    for tensor in session.get_inputs():
        sizes = [size if isinstance(size, int) else _OPEN for size in tensor.shape[1:]]
        inputs[tensor.name] = np.zeros((0, *sizes), _DTYPES[tensor.type])
    names = [tensor.name for tensor in session.get_outputs()]
    return {name: list(one.shape) for name, one in zip(names, session.run(names, inputs))}


def empty_answer_of(python, path):
    """`empty_answer` by another interpreter, which the runtime may end."""
    done = subprocess.run([python, __file__, path], capture_output=True, text=True)
    assert done.returncode == 0, f"{path}: {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(empty_answer(sys.argv[1])))
