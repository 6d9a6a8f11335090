"""The names inside an ONNX graph, and in the graphs inside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_attention.export.onnx_loops import subgraphs

if TYPE_CHECKING:
    import onnx

# What TensorFlow and tf2onnx put around the name of an operation in its Keras layers.
_PREFIX = re.compile(r"^(?:.*_frozen_\d+_|cond___|(?:\w+/)*(?:Stateful)?PartitionedCall/)")
_SUFFIX = re.compile(r"(?:/ReadVariableOp|:0|__\d+)+$")


def rename(graph: onnx.GraphProto, new_name: Callable[[str], str]) -> None:
    """Renames all tensors of a graph and of the graphs inside it.

    Args:
        graph: is changed in place.
        new_name: the new name of each. Different names must stay different.
    """
    for tensor in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        tensor.name = new_name(tensor.name)
    for node in graph.node:
        for names in (node.input, node.output):
            # An optional input that is left out has no name.
            names[:] = [name and new_name(name) for name in names]
        for inner in subgraphs(node):
            rename(inner, new_name)


def clean_names(graph: onnx.GraphProto) -> None:
    """Names nodes and tensors by the Keras layers that they come from.

    `StatefulPartitionedCall/encoder_1/dense_1/Cast/ReadVariableOp:0` becomes
    `encoder_1/dense_1/Cast`. Names that would be equal get numbers in the order
    of the graph, so that they do not depend on what was converted before.

    Args:
        graph: is changed in place. The names of its inputs and outputs stay.
    """
    fixed = {tensor.name for tensor in (*graph.input, *graph.output)}
    known: dict[str, str] = {}
    free = _Free(fixed)

    def new_name(name: str) -> str:
        if name in fixed:
            return name
        if name not in known:
            known[name] = free(_cleaned(name))
        return known[name]

    rename(graph, new_name)
    _name_nodes(graph, _Free(set()))


def _name_nodes(graph: onnx.GraphProto, free: _Free) -> None:
    """Names nodes by their first outputs."""
    for node in graph.node:
        node.name = free(next(filter(None, node.output), node.op_type))
        for inner in subgraphs(node):
            _name_nodes(inner, free)


class _Free:
    """Names that are not taken yet: those wanted, or with a number."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def __call__(self, wanted: str) -> str:
        number, name = 1, wanted
        while name in self._taken:
            number += 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name


def _cleaned(name: str) -> str:
    short = name
    while (rest := _PREFIX.sub("", short)) and rest != short:
        short = rest
    return _SUFFIX.sub("", short) or name
