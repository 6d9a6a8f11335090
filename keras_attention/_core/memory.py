"""The memory of an attention: projected keys, values and their mask."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from keras import ops

from keras_attention._core.types import Tensor


class Memory(NamedTuple):
    """Keys, projected once per sequence, values, and the mask of real positions.

    `Attention.memory` returns one. Every tensor has the batch first, so that a
    search can gather it.

    Attributes:
        keys: `(B, Tk, U)`, projected for the score, in at least float32.
        values: `(B, Tk, Dv)`; zero where the mask is False.
        mask: `(B, Tk)` boolean, True for real positions, or None.

    Example:

    >>> import numpy as np
    >>> from keras_attention import LuongAttention
    >>> attention = LuongAttention(score="dot")
    >>> attention.build(query_shape=(None, 4), value_shape=(None, None, 4))
    >>> memory = attention.memory(np.ones((2, 5, 4)))
    >>> tuple(memory.keys.shape), memory.mask
    ((2, 5, 4), None)
    """

    keys: Tensor
    values: Tensor
    mask: Tensor | None = None


def flatten_positions(tensor: Tensor, trailing: int = 1) -> Tensor:
    """`(B, H, W, D)` to `(B, H*W, D)`; `(B, H, W)` to `(B, H*W)` with `trailing=0`."""
    if len(tensor.shape) == 2 + trailing:
        return tensor
    positions = tensor.shape[1:3]
    count = None if None in positions else math.prod(positions)
    features = tensor.shape[3:]
    if count is None:
        size = ops.shape(tensor)
        return ops.reshape(tensor, (size[0], size[1] * size[2], *features))
    return ops.reshape(tensor, (-1, count, *features))


def unflatten_positions(weights: Tensor, value: Tensor) -> Tensor:
    """Weights over the flattened positions of `value`, `(..., H*W)`, as maps `(..., H, W)`."""
    if len(value.shape) == 3:
        return weights
    return ops.reshape(weights, (*ops.shape(weights)[:-1], *ops.shape(value)[1:3]))


def initial_alignment(kind: Literal["zeros", "uniform", "first"], memory: Memory) -> Tensor:
    """The weights `(B, Tk)` before the first step, in the dtype of the keys.

    `"zeros"`; `"uniform"` over the real positions; `"first"`: 1 at the first real position.
    """
    real = ops.ones(ops.shape(memory.keys)[:2], dtype=memory.keys.dtype)
    if kind == "zeros":
        return ops.zeros_like(real)
    if memory.mask is not None:
        real = ops.cast(memory.mask, real.dtype)
    if kind == "uniform":
        return real / ops.maximum(ops.sum(real, axis=-1, keepdims=True), 1.0)
    return real * ops.cast(ops.cumsum(real, axis=-1) == 1, real.dtype)
