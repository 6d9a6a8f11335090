"""The graph of a functional model: which layers read its inputs, and which attend."""

from __future__ import annotations

from typing import Any

import keras
from keras import tree

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.graph import is_functional, mask_of, set_mask, table_sizes
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.hierarchical import HierarchicalAttention
from keras_attention.layers.pooling import AttentionPooling, StructuredSelfAttention

# Layers that return, with `return_attention_scores=True`, their weights after their outputs.
ATTENDING: tuple[type[keras.Layer], ...] = (
    keras.layers.Attention,
    keras.layers.AdditiveAttention,
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
    Attention,
    AttentionRNN,
    AttentionPooling,
    StructuredSelfAttention,
    HierarchicalAttention,
)
# Of these Keras computes padded queries in another way where it returns no weights.
TWO_WAYS = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)


def functional_of(model: keras.Model) -> Any:
    """A model as a functional one, itself or the layers of a `keras.Sequential`; or None.

    Args:
        model: any built model.

    Returns:
        A functional model that has the same layers, or None for a subclassed model.

    Example:

    >>> import keras
    >>> from keras_attention.export.call.graph import functional_of
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    >>> functional_of(model).output_names
    ['out']
    """
    if is_functional(model):
        return model
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0])
    return None


def numbers_of_ids(functional: Any) -> dict[str, int]:
    """How many ids the inputs have that an `Embedding` reads, by the name of the input.

    Args:
        functional: of `functional_of`.

    Returns:
        The size of the smallest embedding that reads each input of ids.

    Example:

    >>> import keras
    >>> from keras_attention.export.call.graph import numbers_of_ids
    >>> words = keras.Input((None,), name="words")
    >>> numbers_of_ids(keras.Model(words, keras.layers.Embedding(50, 4)(words)))
    {'words': 50}
    """
    sizes = {tensor.name: table_sizes(functional, tensor) for tensor in functional.inputs}
    return {name: min(found) for name, found in sizes.items() if found}


def returned_weights(functional: Any) -> dict[int, str]:
    """Which outputs of a functional model are attention weights.

    Args:
        functional: of `functional_of`.

    Returns:
        The names of the layers that attend, by the positions of the outputs.

    Example:

    >>> import keras
    >>> from keras_attention.export.call.graph import returned_weights
    >>> from keras_attention import LuongAttention
    >>> query, value = keras.Input((3, 4)), keras.Input((5, 4))
    >>> attention = LuongAttention(score="dot", name="look")
    >>> outputs = attention(query, value, return_attention_scores=True)
    >>> returned_weights(keras.Model([query, value], outputs))
    {1: 'look'}
    """
    found = {}
    for position, output in enumerate(functional.outputs):
        layer, node, index = output._keras_history
        kwargs = layer._inbound_nodes[node].arguments.kwargs
        if isinstance(layer, ATTENDING) and kwargs.get("return_attention_scores"):
            # The first output is the context; of several attentions there are several weights.
            count = len(tree.flatten(layer._inbound_nodes[node].outputs))
            states = 1 if kwargs.get("return_state") else 0
            if 0 < index < max(2, count - states):
                found[position] = layer.name
    return found


def call_with_weights(
    functional: Any, tensors: list[Tensor]
) -> tuple[Structure, dict[str, Tensor]]:
    """The outputs of a functional model, and the weights of its attention layers.

    Layers whose weights the model itself returns are left as they are.

    Args:
        functional: of `functional_of`.
        tensors: the inputs, flat.

    Returns:
        The outputs, and weights by the names of the layers. A layer that attends several times,
        or with several attentions, has a number behind its name.
    """
    weights: dict[str, Tensor] = {}
    returned = set(returned_weights(functional).values())

    def call(operation: Any, *args: Structure, **kwargs: Structure) -> Structure:
        asked = kwargs.get("return_attention_scores")
        if not isinstance(operation, ATTENDING) or (asked and operation.name in returned):
            return operation(*args, **kwargs)
        masks = _masks((args, kwargs))
        whole = operation(*args, **{**kwargs, "return_attention_scores": True})
        outputs, *found = whole
        others = [found.pop()] if kwargs.get("return_state") else []
        for one in tree.flatten(found):
            name, number = operation.name, 1
            while name in weights:
                number += 1
                name = f"{operation.name}_{number}"
            weights[name] = one
        if asked:
            return whole
        if isinstance(operation, TWO_WAYS):
            # The first call took the masks off the tensors.
            for tensor, mask in masks:
                set_mask(tensor, mask)
            outputs = operation(*args, **kwargs)
        return (outputs, *others) if others else outputs

    return functional._run_through_graph(tensors, call_fn=call), weights


def _masks(arguments: Structure) -> list[tuple[Tensor, Tensor]]:
    """The tensors among arguments that carry a mask of Keras, and their masks."""
    found = ((leaf, mask_of(leaf)) for leaf in tree.flatten(arguments))
    return [(tensor, mask) for tensor, mask in found if mask is not None]
