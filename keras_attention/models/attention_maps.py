"""Attention over the positions of an image as maps, where a model does not name their shape."""

from __future__ import annotations

import math

import keras
from keras import ops, tree

from keras_attention._core.types import Tensor
from keras_attention.generation.any_model.graph import is_functional, names_of
from keras_attention.generation.any_model.ports import Ports

_MAPS_RANK = 4  # (B, T, h, w)


def as_maps(weights: Tensor, map_shape: tuple[int, int] | None) -> Tensor:
    """Weights over all positions `(..., h * w)` as maps `(..., h, w)`; by default squares."""
    *others, size = weights.shape
    shape = map_shape
    if shape is None and size is not None and math.isqrt(size) ** 2 == size:
        shape = (math.isqrt(size),) * 2
    if shape is None or (size not in (None, 0) and size != shape[0] * shape[1]):
        raise ValueError(
            "map_shape: expected the height and width of the attention maps, with "
            f"{size} positions, received {map_shape!r}."
        )
    if size == 0:
        # A decoder without weights.
        shape = (0, 0)
    return ops.reshape(weights, (*ops.shape(weights)[: len(others)], *shape))


def map_shape_of_outputs(model: keras.Model, ports: Ports) -> tuple[int, int] | None:
    """`(h, w)` of the attention weights among the outputs, or None if they are no maps."""
    if ports.weights is None or not is_functional(model):
        return None
    shape = tree.flatten(model.output)[ports.weights].shape
    if len(shape) != _MAPS_RANK or None in shape[2:]:
        return None
    # (B, heads, T, S) is of that rank too; its last axis is then not that of a map.
    if shape[1] is not None and shape[1] != names_of(model)[ports.target].shape[1]:
        return None
    return int(shape[2]), int(shape[3])
