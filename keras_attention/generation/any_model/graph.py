"""The graph of a functional model: its operations in order, and what its inputs feed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras

# Keras has no public name for it, nor for the order of the nodes, nor for masks of
# tensors and single operations.
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional
from keras.src.ops.numpy import NotEqual

from keras_attention._core.types import Structure, Tensor

if TYPE_CHECKING:
    from keras.src.ops.node import Node


def is_functional(model: object) -> bool:
    """Whether a model has a graph: functional ones, and subclasses that are made like them."""
    return isinstance(model, Functional)


def graph_of(operation: keras.Operation) -> Functional | None:
    """The graph that a functional or sequential model runs; None for anything else.

    A subclass with a `call` of its own may run something else than its graph.
    """
    if isinstance(operation, keras.Sequential):
        own = type(operation).call is keras.Sequential.call
        return operation._functional if own else None
    if is_functional(operation) and type(operation).call is Functional.call:
        return operation
    return None


def mask_of(x: Tensor) -> Tensor | None:
    """The mask that Keras passes along with a tensor."""
    return get_keras_mask(x)


def set_mask(x: Tensor, mask: Tensor | None) -> None:
    """Makes Keras pass a mask along with a tensor; None takes it away."""
    set_keras_mask(x, mask)


def is_comparison(operation: keras.Operation) -> bool:
    """Whether an operation is `keras.ops.not_equal`."""
    return isinstance(operation, NotEqual)


def nodes_of(model: keras.Model) -> Iterator[Node]:
    """The calls of operations of a functional model, each after those that it reads from."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def names_of(model: keras.Model) -> dict[str, Tensor]:
    """The symbolic inputs by name: the keys of a dictionary, else the names of `keras.Input`."""
    if isinstance(model.input, dict):
        return dict(model.input)
    return {tensor.name: tensor for tensor in model.inputs}


def outputs_of(model: keras.Model) -> Structure:
    """The symbolic outputs, in the structure of the results of a functional model."""
    return model.output


def numbers_of_source_ids(model: keras.Model, sources: tuple[str, ...]) -> dict[str, int]:
    """How many ids the sources have that an embedding reads, by name."""
    inputs = names_of(model)
    sizes = {name: table_sizes(model, inputs[name]) for name in sources}
    return {name: min(found) for name, found in sizes.items() if found}


def table_sizes(model: keras.Model, tensor: Tensor) -> list[int]:
    """The sizes of the embedding tables that an input is an index of, in nested models too."""
    sizes: list[int] = []
    for node in nodes_of(model):
        places = [i for i, x in enumerate(node.input_tensors) if x is tensor]
        if not places:
            continue
        operation = node.operation
        if isinstance(operation, keras.layers.Embedding):
            sizes.append(operation.input_dim)
        elif is_functional(operation):
            for place in places:
                sizes += table_sizes(operation, operation.inputs[place])
        elif isinstance(operation, keras.layers.Layer):
            # A layer with an embedding inside, such as of tokens and positions.
            sizes += [w.shape[0] for w in operation.weights if w.path.endswith("embeddings")]
    return sizes
