"""Gradients and compilation on each backend, which keras.ops lacks."""

import keras
import pytest

from keras_attention._core.backend import (
    compiled_by_xla,
    differentiate,
    differentiate_twice,
    with_unknown_sizes,
)
from keras_attention.testing._numbers import numbers

__all__ = [
    "compiled",
    "differentiate",
    "differentiate_twice",
    "numbers",
    "stateful_graph",
    "with_unknown_sizes",
]

BACKEND = keras.backend.backend()


def compiled(function):
    """A function of a dictionary of tensors, compiled by XLA."""
    if BACKEND == "torch":
        pytest.skip("Keras on torch has no XLA: it runs eagerly")
    return compiled_by_xla(function)


def stateful_graph(function):
    """A function as a graph that may change variables."""
    if BACKEND != "tensorflow":
        pytest.skip("a graph that changes variables by itself is TensorFlow's own")
    import tensorflow as tf

    return tf.function(function)
