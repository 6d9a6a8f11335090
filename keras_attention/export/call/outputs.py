"""The outputs of a model that is exported with its call, by name."""

from __future__ import annotations

import re

import keras
from keras import tree

from keras_attention._core.types import Structure, Tensor
from keras_attention.export.call.graph import (
    call_with_weights,
    functional_of,
    returned_weights,
)
from keras_attention.generation.any_model.graph import is_functional

ATTENTION = "attention"


def named_outputs(model: keras.Model, outputs: Structure) -> dict[str, Tensor]:
    """What a model returned, as a dictionary of tensors.

    The name of an output is its key in a dictionary, else the name of the layer
    that gave it; attention weights are `attention`, of several layers
    `attention_LAYER`. Without layers (of a subclassed model) there are
    `output`, or `output_0`, `output_1`.

    Args:
        model: the model.
        outputs: what its call returned.

    Returns:
        A dictionary of tensors.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.export.call.outputs import named_outputs
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="price")])
    >>> list(named_outputs(model, model(np.ones((1, 3)))))
    ['price']
    """
    leaves = [(path, leaf) for path, leaf in tree.flatten_with_path(outputs) if leaf is not None]
    functional = functional_of(model)
    layers: list[str] = []
    weights: dict[int, str] = {}
    if functional is not None and len(functional.outputs) == len(leaves):
        layers, weights = functional.output_names, returned_weights(functional)
    named: dict[str, Tensor] = {}
    for position, (path, leaf) in enumerate(leaves):
        if any(isinstance(key, str) for key in path):
            name = "_".join(map(str, path))
        elif position in weights:
            name = ATTENTION if len(weights) == 1 else f"{ATTENTION}_{weights[position]}"
        elif layers:
            name = layers[position]
        else:
            name = "output" if len(leaves) == 1 else f"output_{position}"
        named[_free(name, named)] = leaf
    return named


def with_weights(model: keras.Model, tensors: list[Tensor]) -> dict[str, Tensor]:
    """The outputs of a functional model by name, and the weights of its attention layers.

    Args:
        model: a functional model or a `keras.Sequential`.
        tensors: the inputs, flat.

    Returns:
        A dictionary of tensors; weights that the model does not return itself
        come last, as `attention`, or of several layers as `attention_LAYER`.
    """
    outputs, weights = call_with_weights(functional_of(model), tensors)
    if not is_functional(model):
        outputs = tree.flatten(outputs)[0]
    named = named_outputs(model, outputs)
    one = len(weights) == 1 and ATTENTION not in named
    for layer, tensor in weights.items():
        named[_free(ATTENTION if one else f"{ATTENTION}_{layer}", named)] = tensor
    return named


def _free(name: str, taken: dict[str, Tensor]) -> str:
    name = re.sub(r"\W", "_", name)
    name = name if name[:1].isalpha() else f"output_{name}"
    free, number = name, 1
    while free in taken:
        free = f"{name}_{number}"
        number += 1
    return free
