"""A layer under test, with the inputs that it is tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_attention._core.types import Array, Structure, Tensor

Inputs = dict[str, Any]

QUERY_SIZE = 4
# With holes and an end: what is masked need not stand at the end.
QUERY_MASK = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
VALUE_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]], bool)
# For what knows which position is the next one, masked ones do stand at the end.
ENDING_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], bool)


@dataclass(frozen=True)
class Subject:
    """A layer under test.

    Attributes:
        name: unique, and the id of its tests.
        make: `make(dtype=...)` gives a new layer.
        reference: `reference(layer, inputs)` gives its outputs and weights in
            float64; None where there is no reference.
        first: the name of its first argument, "query" of an attention or
            "sequence" of a recurrence.
        value_size: the features of the value.
        compiled: whether XLA is tried on it, which takes seconds.
        value_mask: the mask of the value.
        sums_to_one: whether the weights of a real query do.
        smooth: whether the gradient is that of the function itself; not so for
            estimators.
    """

    name: str
    make: Callable[..., Any]
    reference: Callable[[Any, Inputs], tuple[Array, Array]] | None
    first: str
    value_size: int
    compiled: bool = True
    value_mask: Array = field(default_factory=lambda: VALUE_MASK)
    sums_to_one: bool = True
    smooth: bool = True

    @property
    def recurrent(self) -> bool:
        """Whether it is a recurrence, with an attention in it."""
        return self.first == "sequence"

    def inputs(self, dtype: str = "float32") -> Inputs:
        """The first argument, the value and both masks, by name."""
        rng = np.random.default_rng(1)
        return {
            self.first: rng.normal(size=(*QUERY_MASK.shape, QUERY_SIZE)).astype(dtype),
            "value": rng.normal(size=(*self.value_mask.shape, self.value_size)).astype(dtype),
            f"{self.first}_mask": QUERY_MASK,
            "value_mask": self.value_mask,
        }

    def built(self, dtype: str = "float32") -> Any:
        """A layer of which no weight is still at a round number."""
        layer = self.make(dtype=dtype)
        layer.build((None, None, QUERY_SIZE), (None, None, self.value_size))
        rng = np.random.default_rng(2)
        for variable in layer.weights:
            # The state of a seed generator is a weight too, and no number to change.
            if "float" in keras.backend.standardize_dtype(variable.dtype):
                variable.assign(0.7 * rng.normal(size=variable.shape))
        return layer

    def functional(self, layer: Any) -> keras.Model:
        """Ids to embeddings with implicit masks to the layer; batch and lengths unknown."""
        first = keras.Input((None,), dtype="int32", name=self.first)
        value = keras.Input((None,), dtype="int32", name="value")
        embed = layers.Embedding(9, QUERY_SIZE, mask_zero=True, name="first_embedding")
        memory = layers.Embedding(9, self.value_size, mask_zero=True, name="embedding")(value)
        outputs = layer(embed(first), memory, return_attention_scores=True)
        return keras.Model([first, value], outputs)

    def explicit(self, model: keras.Model, layer: Any, first: Array, value: Array) -> Structure:
        """The same as a functional model computes, with masks given as arguments."""
        tables = (model.get_layer(name).embeddings for name in ("first_embedding", "embedding"))
        one, other = map(keras.ops.convert_to_numpy, tables)
        inputs = {
            self.first: one[first],
            "value": other[value],
            f"{self.first}_mask": first != 0,
            "value_mask": value != 0,
        }
        return call(layer, inputs)


def call(layer: Any, inputs: Inputs, **kwargs: Any) -> tuple[Tensor, ...]:
    """Calls a layer with its first argument in place and the others by name."""
    first, *others = inputs
    named = {name: inputs[name] for name in others}
    return layer(inputs[first], **named, return_attention_scores=True, **kwargs)


def ids(mask: Array) -> Array:
    """Random ids where the mask is True, else 0."""
    return np.where(mask, np.random.default_rng(5).integers(1, 9, mask.shape), 0)
