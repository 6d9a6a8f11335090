"""A memory that several beams share, and weights over its positions."""

from __future__ import annotations

from keras import ops, tree

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Value


def repeated(structure: Structure, beams: int) -> Structure:
    """Tensors of B examples for `B * beams` sequences, those of one example side by side."""
    if beams == 1:
        return structure

    def repeat(x: Tensor) -> Tensor:
        return gather_rows(x, ops.arange(ops.shape(x)[0] * beams) // beams)

    return map_tensors(repeat, structure)


def beams_as_positions(x: Tensor, beams: int) -> Tensor:
    """`(B * beams, 1, ...)` to `(B, beams, ...)`: the beams of an example as its queries."""
    return x if beams == 1 else ops.reshape(x, (-1, beams, *x.shape[2:]))


def positions_as_beams(x: Tensor, beams: int) -> Tensor:
    """`(B, beams, ...)` to `(B * beams, 1, ...)`."""
    return x if beams == 1 else ops.reshape(x, (-1, 1, *ops.shape(x)[2:]))


def heads_as_beams(weights: Tensor, beams: int) -> Tensor:
    """Weights `(B, heads, beams, S)` of several heads to `(B * beams, heads, 1, S)`."""
    if beams == 1:
        return weights
    size = ops.shape(weights)
    weights = ops.transpose(weights, (0, 2, 1, 3))
    return ops.reshape(weights, (-1, size[1], 1, size[3]))


def positions_of(value: Structure) -> list[tuple[int, int] | None]:
    """The height and width of values that are feature maps, None for sequences."""
    found: list[tuple[int, int] | None] = []
    for one in tree.flatten(value):
        shape = one.spec.shape if isinstance(one, Value) else one.shape
        found.append((shape[1], shape[2]) if len(shape) == 4 else None)
    return found


def as_map(weights: Tensor, positions: tuple[int, int] | None) -> Tensor:
    """Weights over flattened positions `(..., H * W)` as maps `(..., H, W)`."""
    if positions is None:
        return weights
    return ops.reshape(weights, (*ops.shape(weights)[:-1], *positions))
