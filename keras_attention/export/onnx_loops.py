"""Loops of ONNX graphs: what no iteration changes is read from outside, not passed through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# The inputs of a Loop before its state: the number of iterations and the condition. Its body
# has the index of the iteration and the condition there, and the condition alone in its outputs.
_BEFORE_STATE = 2


def hoist_invariants(graph: onnx.GraphProto) -> None:
    """Takes what no iteration changes, such as weights, out of the state of every `Loop`.

    tf2onnx passes the weights that a loop reads from one iteration to the next.
    There they are variables to a runtime, which copies them in every iteration
    and cannot prepare them; and no constants to what stores weights in fewer
    bits. The body of a `Loop` may read the names of the graph around it.

    Args:
        graph: is changed in place, with all graphs inside it.
    """
    for node in list(graph.node):
        if node.op_type == "Loop":
            _hoist(graph, node)
        for inner in subgraphs(node):
            hoist_invariants(inner)
    drop_unused(graph, "Identity")


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs inside a node: the body of a `Loop`, the branches of an `If`."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def drop_unused(graph: onnx.GraphProto, kind: str) -> None:
    """Removes each node of an operation whose result nothing reads, also from graphs inside."""
    for node in reversed(graph.node):
        if node.op_type == kind and node.output[0] not in set(_read(graph)):
            graph.node.remove(node)
        for inner in subgraphs(node):
            drop_unused(inner, kind)


def _hoist(graph: onnx.GraphProto, loop: onnx.NodeProto) -> None:
    """Takes the invariants out of the state of one loop."""
    import onnx

    body = next(subgraphs(loop))
    copies = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    names = Counter(output.name for output in body.output)
    taken = set(_defined(body))
    outside: dict[str, str] = {}
    for i in reversed(range(len(loop.input) - _BEFORE_STATE)):
        given, inside = loop.input[_BEFORE_STATE + i], body.input[_BEFORE_STATE + i].name
        end = result = body.output[1 + i].name
        while result in copies:
            result = copies[result]
        # A body must compute its outputs, and cannot read a name that it gives to something else.
        directly = names[inside] - (end == inside)
        if result != inside or directly or given in taken - {inside}:
            continue
        names[end] -= 1
        outside[inside] = given
        after = loop.output[i]
        del loop.input[_BEFORE_STATE + i], body.input[_BEFORE_STATE + i]
        del body.output[1 + i], loop.output[i]
        if after:
            # Whoever reads the result of the loop reads what went in.
            place = next(n for n, node in enumerate(graph.node) if node is loop) + 1
            graph.node.insert(place, onnx.helper.make_node("Identity", [given], [after]))
    _rename_inputs(body, outside)


def _rename_inputs(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Makes every node read other names, also the nodes of graphs inside it."""
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
        for inner in subgraphs(node):
            _rename_inputs(inner, names)


def _read(graph: onnx.GraphProto) -> Iterator[str]:
    """Every name that a graph, or a graph inside it, reads or gives out."""
    yield from (tensor.name for tensor in graph.output)
    for node in graph.node:
        yield from node.input
        for inner in subgraphs(node):
            yield from _read(inner)


def _defined(graph: onnx.GraphProto) -> Iterator[str]:
    """Every name that a graph, or a graph inside it, gives to a tensor."""
    yield from (tensor.name for tensor in (*graph.input, *graph.initializer))
    for node in graph.node:
        yield from node.output
        for inner in subgraphs(node):
            yield from _defined(inner)
