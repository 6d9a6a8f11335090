"""Gathering by rows and adding at indices."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention._core.types import Tensor


def gather_rows(x: Tensor, rows: Tensor) -> Tensor:
    """`x[rows]`: rows of the first axis by non-negative integers of any shape."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # One operation; keras.ops.take has six, because it takes negative integers too.
        return tf.gather(x, rows)
    return ops.take(x, rows, axis=0)


def gather_within_rows(x: Tensor, columns: Tensor) -> Tensor:
    """`x` `(B, M, ...)` and integers `(B, N)` to `(B, N, ...)`: `x[b, columns[b]]`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(x, columns, batch_dims=1)
    return ops.take_along_axis(x, columns.reshape(columns.shape + (1,) * (x.ndim - 2)), axis=1)


def scatter_add(indices: Tensor, values: Tensor, shape: tuple[int | Tensor, ...]) -> Tensor:
    """Zeros of `shape` to which `values` are added at `indices`; values at one index are summed.

    `keras.ops.scatter` does the same, but on TensorFlow becomes an operation of
    ONNX that keeps one of several values, and on torch is a loop in Python.

    Args:
        indices: `(N, K)` integers, into the first K axes.
        values: `(N, *shape[K:])`.
        shape: of the result.
    """
    zeros = ops.zeros(shape, dtype=values.dtype)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.tensor_scatter_nd_add(zeros, indices, values)
    axes = tuple(ops.unstack(indices, axis=1))
    if keras.backend.backend() == "jax":
        return zeros.at[axes].add(values)
    return zeros.index_put(tuple(axis.long() for axis in axes), values, accumulate=True)
