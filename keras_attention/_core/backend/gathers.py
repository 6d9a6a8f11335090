"""Gathering by rows and adding at indices."""

import keras
from keras import ops


def gather_rows(x, rows):
    """`x[rows]`: rows of the first axis by non-negative integers of any shape."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # One operation, where that of Keras is six, for negative integers.
        return tf.gather(x, rows)
    return ops.take(x, rows, axis=0)


def gather_within_rows(x, columns):
    """`x` `(B, M, ...)` and integers `(B, N)` to `(B, N, ...)`: each row's own choice."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(x, columns, batch_dims=1)
    return ops.take_along_axis(x, columns.reshape(columns.shape + (1,) * (x.ndim - 2)), axis=1)


def scatter_add(indices, values, shape):
    """Zeros of `shape` to which `values` are added at `indices`, equal ones summed.

    `keras.ops.scatter` says the same, but on TensorFlow becomes an operation of
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
    places = tuple(ops.unstack(indices, axis=1))
    if keras.backend.backend() == "jax":
        return zeros.at[places].add(values)
    return zeros.index_put(tuple(place.long() for place in places), values, accumulate=True)
