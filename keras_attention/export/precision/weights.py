"""Weights of ONNX graphs in fewer bits: as 8-bit integers with scales, or in half precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from keras_attention.export.onnx_loops import subgraphs
from keras_attention.export.precision.products import (
    Integers,
    constants,
    multiply_integers,
    restoring_nodes,
)
from keras_attention.export.precision.rounding import rounded

if TYPE_CHECKING:
    import onnx

# Smaller arrays, and vectors such as biases, stay as they are.
_FEWEST = 256
# From so many weights on, a product of integers takes less time than one of floats, with the
# rounding of its input; below, an int8 graph computes as a float32 one.
LARGE_PRODUCT = 2**18
_LARGEST_HALF = float(np.finfo(np.float16).max)
# Operations that take rows of an array, or turn it around.
_BY_ROWS = ("Gather", "Transpose", "Conv")


def store_weights(graph: onnx.GraphProto, precision: str) -> None:
    """Stores the weights of a graph, and of all graphs inside it, in fewer bits.

    With `"float16"` what reads a weight reads it cast to float32. With `"int8"`
    it reads `(integers - 128) * scales`, with a scale for each row of a table
    and each unit of a layer. A runtime computes either once, when it loads the
    graph. Only products of `LARGE_PRODUCT` weights or more are computed with
    integers; each position of their input is rounded by itself, so that an
    answer does not depend on the rest of a batch.

    Vectors, arrays of less than 256 elements, and those that cannot be held in
    fewer bits stay as they are.

    Args:
        graph: is changed in place.
        precision: `"float16"` or `"int8"`.
    """
    _store(graph, precision)
    graph.initializer.extend(one for one in constants() if any(_readers(graph, one.name)))


def weight_bytes(graph: onnx.GraphProto) -> int:
    """The bytes of all weights of a graph and of the graphs inside it."""
    from onnx import numpy_helper

    own = sum(numpy_helper.to_array(one).nbytes for one in graph.initializer)
    return own + sum(weight_bytes(inner) for node in graph.node for inner in subgraphs(node))


def _store(graph: onnx.GraphProto, precision: str) -> None:
    encode = _as_int8 if precision == "int8" else _as_float16
    before = [node for weight in _weights(graph) for node in encode(graph, weight)]
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    for node in graph.node:
        for inner in subgraphs(node):
            _store(inner, precision)


def _weights(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    from onnx import TensorProto

    return [
        one
        for one in graph.initializer
        if one.data_type == TensorProto.FLOAT
        and np.prod(one.dims) >= _FEWEST
        and sum(size > 1 for size in one.dims) > 1
    ]


def _as_int8(graph: onnx.GraphProto, stored: onnx.TensorProto) -> list[onnx.NodeProto]:
    """Replaces a weight; the nodes that compute it again, if anything reads it then."""
    from onnx import numpy_helper

    name, array = stored.name, numpy_helper.to_array(stored)
    by_rows = any(node.op_type in _BY_ROWS for node in _readers(graph, name))
    integers, scales = rounded(array, axis=0 if by_rows else -1)
    if scales.nbytes > integers.nbytes or not np.isfinite(scales).all():
        return []
    weight = Integers(name, f"{name}/int8", f"{name}/scales", by_rows)
    _replace(graph, stored, {weight.integers: integers, weight.scales: scales})
    if array.ndim == 2 and array.size >= LARGE_PRODUCT:
        multiply_integers(graph, weight)
    return restoring_nodes(weight) if any(_readers(graph, name)) else []


def _as_float16(graph: onnx.GraphProto, stored: onnx.TensorProto) -> list[onnx.NodeProto]:
    """Replaces a weight; the node that computes it again."""
    from onnx import TensorProto, helper, numpy_helper

    array = numpy_helper.to_array(stored)
    # Not-a-number is neither.
    if not np.abs(array).max() <= _LARGEST_HALF:
        return []
    name = f"{stored.name}/float16"
    _replace(graph, stored, {name: array.astype(np.float16)})
    return [helper.make_node("Cast", [name], [stored.name], to=TensorProto.FLOAT)]


def _replace(
    graph: onnx.GraphProto, stored: onnx.TensorProto, arrays: dict[str, np.ndarray]
) -> None:
    from onnx import numpy_helper

    graph.initializer.remove(stored)
    graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in arrays.items())


def _readers(graph: onnx.GraphProto, name: str) -> Iterator[onnx.NodeProto]:
    """The nodes that read a name, also those of the graphs inside."""
    for node in graph.node:
        if name in node.input:
            yield node
        for inner in subgraphs(node):
            yield from _readers(inner, name)
