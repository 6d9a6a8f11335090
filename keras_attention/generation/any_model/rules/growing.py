"""Tensors that get one position longer with every step."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from keras import ops

from keras_attention._core.types import Shape, Tensor


def nothing(batch: int | Tensor, sizes: Shape, dtype: str) -> Tensor:
    """A buffer `(B, 0, *sizes)`, without a position yet."""
    return ops.zeros((batch, 0, *sizes), dtype=dtype)


def appended(buffer: Tensor, one: Tensor, axis: int = 1) -> Tensor:
    """A buffer with one more position."""
    return ops.concatenate([buffer, ops.cast(one, buffer.dtype)], axis=axis)


@contextlib.contextmanager
def of_any_length() -> Iterator[None]:
    """Inside, Keras does not warn of a softmax over one position: the first step has no more."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using a softmax over axis")
        yield
