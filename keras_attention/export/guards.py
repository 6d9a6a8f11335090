"""What a graph refuses of its inputs: none at all, or inputs of different batches."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf


def some_columns(name: str, ids: tf.Tensor, pad: int) -> tf.Tensor:
    """Refuses ids without columns; a recurrent layer over no positions says less.

    ONNX has no assertions: there they become one column of padding instead.
    """
    columns = tf.shape(ids)[1]
    message = f"{name}: expected at least one column of ids, received none; pad with {pad}"
    with _positive(columns, message):
        missing = tf.maximum(0, 1 - columns)
        return tf.pad(ids, [[0, 0], [0, missing]], constant_values=pad)


def some_images(name: str, images: tf.Tensor) -> tf.Tensor:
    """Refuses a batch without images; a convolution over none says less."""
    with _positive(tf.shape(images)[0], f"{name}: expected at least one image, received none"):
        return tf.identity(images)


def same_batch(signature: str, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Refuses inputs of different batch sizes; a batch of 1 would be broadcast silently.

    ONNX and LiteRT have no assertions: there a reshape to the batch of the first
    input fails.
    """
    sizes = {name: tf.shape(tensor)[0] for name, tensor in tensors.items()}
    first, *others = sizes
    checks = [
        tf.debugging.assert_equal(
            sizes[first],
            sizes[name],
            f"{signature}: expected the same batch size of all inputs; {first} and {name} differ",
        )
        for name in others
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        shaped = {name: _of_batch(tensors[name], sizes[first]) for name in others}
        return {first: tf.identity(tensors[first]), **shaped}


def _of_batch(tensor: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """A tensor reshaped to have so many examples, which only one that has them can be."""
    sizes = [tf.shape(tensor)[i] if n is None else n for i, n in enumerate(tensor.shape)]
    shaped = tf.reshape(tensor, [size, *sizes[1:]])
    shaped.set_shape(tensor.shape)
    return shaped


def _positive(size: tf.Tensor, message: str) -> AbstractContextManager[Any]:
    # Eagerly an assertion is no operation: it has been checked already.
    check = tf.debugging.assert_positive(size, message)
    return tf.control_dependencies([] if check is None else [check])
