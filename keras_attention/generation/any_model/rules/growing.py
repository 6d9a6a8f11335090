"""Tensors that get one position longer with every step."""

from __future__ import annotations

from keras import ops

from keras_attention._core.types import Shape, Tensor


def nothing(batch: int | Tensor, sizes: Shape, dtype: str) -> Tensor:
    """A buffer `(B, 0, *sizes)`, without a position yet."""
    return ops.zeros((batch, 0, *sizes), dtype=dtype)


def appended(buffer: Tensor, one: Tensor, axis: int = 1) -> Tensor:
    """A buffer with one more position."""
    return ops.concatenate([buffer, ops.cast(one, buffer.dtype)], axis=axis)
