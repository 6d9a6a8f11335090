"""Tensors that get one position longer with every step."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from keras import ops

from keras_attention._core.backend.loops import open_sizes
from keras_attention._core.types import Shape, Tensor


def empty_buffer(batch: int | Tensor, sizes: Shape, dtype: str) -> Tensor:
    """A buffer `(B, 1, *sizes)` whose first position is a placeholder.

    Without it the tensor would be empty, which LiteRT and JSON cannot hold.
    """
    return growing(ops.zeros((batch, 1, *sizes), dtype=dtype))


def growing(x: Tensor, axis: int = 1) -> Tensor:
    """A tensor that gets longer, so that its size must stay open in a graph."""
    return open_sizes(x, tuple(None if i == axis else n for i, n in enumerate(x.shape)))


def appended(buffer: Tensor, one: Tensor, axis: int = 1) -> Tensor:
    """A buffer with one more position."""
    return ops.concatenate([buffer, ops.cast(one, buffer.dtype)], axis=axis)


def appended_mask(buffer: Tensor, x: Tensor, mask: Tensor | None) -> Tensor:
    """A buffer of masks with that of one more position of `x`, which is real without a mask."""
    return appended(buffer, ops.ones(ops.shape(x)[:2], "bool") if mask is None else mask)


def positions_in(buffer: Tensor, axis: int = 1) -> Tensor:
    """The positions of a buffer, without the placeholder."""
    return buffer[(slice(None),) * axis + (slice(1, None),)]


@contextlib.contextmanager
def of_any_length() -> Iterator[None]:
    """Inside, Keras does not warn of a softmax over one position: the first step has no more."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using a softmax over axis")
        yield
