"""The graph of a functional model, cut where the target enters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import keras
from keras import ops, tree

from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.generation.any_model.graph import (
    graph_of,
    mask_of,
    names_of,
    nodes_of,
    set_mask,
)

if TYPE_CHECKING:
    from keras.src.models.functional import Functional
    from keras.src.ops.node import Node


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph.

    Attributes:
        name: of the call that computes it.
        spec: its shape and dtype; with a mask where Keras may pass one along.
        moves: whether it depends on the target.
        has_time: whether its second axis is that of the target's positions.
        sources: the names of the inputs that it depends on.
    """

    name: str
    spec: keras.KerasTensor
    moves: bool
    has_time: bool
    sources: frozenset[str]

    @property
    def masked(self) -> bool:
        """Whether Keras may pass a mask along with it."""
        return mask_of(self.spec) is not None


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation. Of a shared layer there are several.

    Attributes:
        name: the name of the layer, below those of the models around it, and
            from the second call on its number.
        operation: the layer or operation.
        args: the positional arguments, with a `Value` for every tensor.
        kwargs: the keyword arguments, likewise.
        outputs: the tensors that it computes.
    """

    name: str
    operation: keras.Operation
    args: tuple[Structure, ...]
    kwargs: Config
    outputs: tuple[Value, ...]
    inputs: tuple[Value, ...] = field(init=False)

    def __post_init__(self) -> None:
        flat = tree.flatten((self.args, self.kwargs))
        object.__setattr__(self, "inputs", tuple(x for x in flat if isinstance(x, Value)))

    @property
    def moves(self) -> bool:
        """Whether an argument depends on the target."""
        return any(value.moves for value in self.inputs)


class Cut:
    """The calls of a model, apart for what depends on the target and what does not.

    Models inside the model are walked too. What no result depends on is left out.

    Args:
        model: a functional model.
        target: the name of the input where the target enters.
        outputs: the numbers of the outputs that are of interest.

    Attributes:
        inputs: a `Value` for every input, by name.
        outputs: a `Value` for every output of interest, by number.
        calls: the calls that these outputs depend on, in order.
        once: the calls that depend on the sources alone, in order.
        stepped: the calls that depend on the target, in order.
    """

    def __init__(self, model: keras.Model, target: str, outputs: Iterable[int]) -> None:
        graph = graph_of(model)
        if graph is None:
            raise ValueError(
                "model: expected a functional model, whose graph can be cut, received "
                f"{type(model).__name__}."
            )
        walk = _Walk(graph, target)
        self.inputs = walk.inputs
        found = [walk.found[id(tensor)] for tensor in graph.outputs]
        self.outputs = {number: found[number] for number in outputs}
        needed = _needed(walk.calls, self.outputs.values())
        self.calls = needed
        self.once = [call for call in needed if not call.moves]
        self.stepped = [call for call in needed if call.moves]


class _Converted(keras.Operation):
    """The conversion of a tensor to the dtype of an input of a model inside the model."""

    def __init__(self, dtype: str, name: str) -> None:
        super().__init__(name=name)
        self._to = dtype

    def call(self, x: Tensor) -> Tensor:
        converted = ops.cast(x, self._to)
        set_mask(converted, mask_of(x))
        return converted


class _Masked(keras.Operation):
    """A tensor with the mask that is given to a model inside the model."""

    def call(self, x: Tensor, mask: Tensor) -> Tensor:
        set_mask(x, mask)
        return x


class _Walk:
    """Lists the calls of a graph and of the graphs inside of it."""

    def __init__(self, graph: Functional, target: str) -> None:
        self.calls: list[Call] = []
        self.inputs: dict[str, Value] = {}
        self._names: set[str] = set()
        self.found: dict[int, Value] = {}
        for name, tensor in names_of(graph).items():
            moves = name == target
            sources: frozenset[str] = frozenset() if moves else frozenset([name])
            spec = _spec(tensor, masked=False)
            value = Value(self._unused(name), spec, moves, moves, sources)
            self.inputs[name] = self.found[id(tensor)] = value
        self._length = self.inputs[target].spec.shape[1]
        self._walk(graph, self.found, "")

    def _walk(self, graph: Functional, found: dict[int, Value], prefix: str) -> None:
        for node in nodes_of(graph):
            inner = graph_of(node.operation)
            arguments = tree.map_structure(
                lambda x: found[id(x)] if isinstance(x, keras.KerasTensor) else x,
                (node.arguments.args, node.arguments.kwargs),
            )
            values = [x for x in tree.flatten(arguments) if isinstance(x, Value)]
            masks = tree.flatten(arguments[1].get("mask"))
            others = {name: x for name, x in arguments[1].items() if name != "mask"}
            plain = not any(x is not None for x in tree.flatten(others))
            if inner is not None and plain and any(value.moves for value in values):
                inputs = [x for x in tree.flatten(arguments[0]) if isinstance(x, Value)]
                outputs = self._inside(inner, node, inputs, masks, prefix)
            else:
                name = self._unused(prefix + node.operation.name)
                outputs = self._called(name, node.operation, node.outputs, arguments, prefix)
            found.update({id(tensor): value for tensor, value in zip(node.outputs, outputs)})

    def _called(
        self,
        name: str,
        operation: keras.Operation,
        tensors: list[keras.KerasTensor],
        arguments: tuple[tuple[Structure, ...], Config],
        prefix: str,
    ) -> tuple[Value, ...]:
        args, kwargs = arguments
        inputs = [x for x in tree.flatten(arguments) if isinstance(x, Value)]
        moves = any(value.moves for value in inputs)
        # In a nested model Keras passes the masks of outer tensors on only when it runs.
        outer = bool(prefix) and any(value.masked for value in inputs if value.moves)
        sources = frozenset().union(*(value.sources for value in inputs))
        outputs = []
        for i, tensor in enumerate(tensors):
            spec = _spec(tensor, masked=outer or mask_of(tensor) is not None)
            has_time = moves and len(spec.shape) > 1 and spec.shape[1] == self._length
            its_name = name if len(tensors) == 1 else self._unused(f"{name}_{i}")
            outputs.append(Value(its_name, spec, moves, has_time, sources))
        self.calls.append(Call(name, operation, args, kwargs, tuple(outputs)))
        return tuple(outputs)

    def _inside(
        self,
        graph: Functional,
        node: Node,
        values: list[Value],
        masks: list[Value | None],
        prefix: str,
    ) -> tuple[Value, ...]:
        """The outputs of a model inside the model, after its calls are listed."""
        name = self._unused(prefix + node.operation.name)
        found = {}
        for i, (tensor, value) in enumerate(zip(graph.inputs, values)):
            mask = masks[i] if i < len(masks) else None
            if value.spec.dtype != tensor.dtype:
                operation = _Converted(tensor.dtype, f"to_{tensor.dtype}")
                called = self._unused(f"{name}/to_{tensor.dtype}")
                like = keras.KerasTensor(value.spec.shape, dtype=tensor.dtype)
                (value,) = self._called(called, operation, [like], ((value,), {}), name)
            if mask is not None:
                called = self._unused(f"{name}/masked")
                like = _spec(value.spec, masked=True)
                operation = _Masked(name="masked")
                (value,) = self._called(called, operation, [like], ((value, mask), {}), name)
            found[id(tensor)] = value
        self._walk(graph, found, f"{name}/")
        return tuple(found[id(tensor)] for tensor in graph.outputs)

    def _unused(self, name: str) -> str:
        number, unused = 1, name
        while unused in self._names:
            number += 1
            unused = f"{name}_call_{number}"
        self._names.add(unused)
        return unused


def _spec(tensor: keras.KerasTensor, masked: bool) -> keras.KerasTensor:
    spec = keras.KerasTensor(tensor.shape, dtype=tensor.dtype)
    if masked:
        set_mask(spec, keras.KerasTensor(tensor.shape[:2], dtype="bool"))
    return spec


def _needed(calls: list[Call], outputs: Iterable[Value]) -> list[Call]:
    """The calls that `outputs` depend on, in order."""
    read = {id(value) for value in outputs}
    needed = []
    for call in reversed(calls):
        if any(id(value) in read for value in call.outputs):
            read.update(id(value) for value in call.inputs)
            needed.append(call)
    return needed[::-1]
