"""Products with weights that are stored as integers, computed with integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_attention.export.onnx_loops import drop_unused, subgraphs
from keras_attention.export.precision.rounding import LARGEST, ZERO

if TYPE_CHECKING:
    import onnx

# The largest number of an input is taken to be at least this, so that zeros can be divided by it.
_SMALLEST = 1e-30
# The names of constants in graphs.
ZERO_POINT, ZERO_FLOAT, LARGEST_FLOAT = "int8/zero_point", "int8/zero", "int8/largest"
SMALLEST_FLOAT, LAST_AXIS = "int8/smallest", "int8/last_axis"


class Integers(NamedTuple):
    """A matrix of weights in a graph: `name` is what `(integers - 128) * scales` was.

    `integers` and `scales` are names too; the scales are those of the columns,
    or where `by_rows` of the rows.
    """

    name: str
    integers: str
    scales: str
    by_rows: bool


def constants() -> list[onnx.TensorProto]:
    """The constants that the nodes of this module read."""
    from onnx.numpy_helper import from_array

    return [
        from_array(np.uint8(ZERO), ZERO_POINT),
        from_array(np.float32(ZERO), ZERO_FLOAT),
        from_array(np.float32(LARGEST), LARGEST_FLOAT),
        from_array(np.float32(_SMALLEST), SMALLEST_FLOAT),
        from_array(np.array([-1], np.int64), LAST_AXIS),
    ]


def restoring_nodes(weight: Integers) -> list[onnx.NodeProto]:
    """The nodes that compute the floats again; a runtime does so when it loads a graph.

    Not `DequantizeLinear`, which onnxruntime computes at every request.
    """
    from onnx import TensorProto
    from onnx.helper import make_node

    name, floats, centred = weight.name, f"{weight.name}/floats", f"{weight.name}/centred"
    return [
        make_node("Cast", [weight.integers], [floats], to=TensorProto.FLOAT),
        make_node("Sub", [floats, ZERO_FLOAT], [centred]),
        make_node("Mul", [centred, weight.scales], [name]),
    ]


def multiply_integers(graph: onnx.GraphProto, weight: Integers) -> None:
    """Replaces every `MatMul` with a matrix of weights, or its transpose, by one of integers.

    Each position of its input is rounded as the weights are, by its own largest
    number.

    Args:
        graph: is changed in place, with all graphs inside it.
        weight: the matrix.
    """
    _multiply(graph, weight, set())
    drop_unused(graph, "Transpose")


def _multiply(graph: onnx.GraphProto, weight: Integers, transposes: set[str]) -> None:
    transposes = transposes | {
        node.output[0]
        for node in graph.node
        if node.op_type == "Transpose" and node.input[0] == weight.name
    }
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        for inner in subgraphs(node):
            _multiply(inner, weight, transposes)
        right = node.input[1] if node.op_type == "MatMul" else None
        turned = right in transposes
        # The scales must be those of the columns of what is multiplied.
        if (turned or right == weight.name) and turned == weight.by_rows:
            graph.node.extend(_product(node, weight))
        else:
            graph.node.append(node)


def _product(node: onnx.NodeProto, weight: Integers) -> list[onnx.NodeProto]:
    """The nodes of one product."""
    from onnx import TensorProto, helper

    left, result = node.input[0], node.output[0]
    nodes: list[onnx.NodeProto] = []

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{result}/{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    integers, scales = weight.integers, weight.scales
    if weight.by_rows:
        integers = add("Transpose", integers, perm=[1, 0])
        scales = add("Transpose", scales, perm=[1, 0])
    largest = add("ReduceMax", add("Abs", left), LAST_AXIS, keepdims=1)
    largest = add("Max", largest, SMALLEST_FLOAT)
    steps = add("Round", add("Mul", left, add("Div", LARGEST_FLOAT, largest)))
    steps = add("Cast", add("Add", steps, ZERO_FLOAT), to=TensorProto.UINT8)
    product = add("MatMulInteger", steps, integers, ZERO_POINT, ZERO_POINT)
    product = add("Mul", add("Cast", product, to=TensorProto.FLOAT), scales)
    nodes.append(
        helper.make_node("Mul", [product, add("Div", largest, LARGEST_FLOAT)], [result], node.name)
    )
    return nodes
