"""Functions compiled to graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import keras

from keras_attention._core.types import Structure, Tensor


def compiled(
    function: Callable[[Structure], Structure], like: Mapping[str, Tensor] | None = None
) -> Callable[[Structure], Structure]:
    """`function` compiled to a graph, if the backend has graphs.

    Args:
        function: takes one matrix of int32 ids, or a dictionary of arrays.
        like: arrays with the names, dtypes and sizes of that dictionary; the
            batch may have any size.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    if like is None:
        spec = tf.TensorSpec((None, None), tf.int32)
    else:
        spec = {n: tf.TensorSpec((None, *a.shape[1:]), a.dtype) for n, a in like.items()}
    graph = tf.function(function, input_signature=[spec], autograph=False)
    # A concrete function, since TensorFlow warns if several functions of one name are traced.
    graph = graph.get_concrete_function()

    def run(inputs: Structure) -> Structure:
        return graph(
            tf.nest.map_structure(lambda a, s: tf.convert_to_tensor(a, s.dtype), inputs, spec)
        )

    return run


def is_concrete(x: Tensor) -> bool:
    """Whether the values of a tensor or an array are known now, that is outside of a graph."""
    if isinstance(x, keras.KerasTensor):
        return False
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.executing_eagerly())
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    return True


@contextlib.contextmanager
def outside_of_graphs() -> Iterator[None]:
    """Inside, operations on known tensors run at once, also where a graph is being traced."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            yield
    elif keras.backend.backend() == "jax":
        import jax

        with jax.ensure_compile_time_eval():
            yield
    else:
        import torch

        with torch.no_grad():
            yield
