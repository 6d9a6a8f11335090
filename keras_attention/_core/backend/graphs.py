"""Functions compiled to graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import keras

from keras_attention._core.types import Structure, Tensor


def compiled(
    function: Callable[[Structure], Structure], specs: Structure
) -> Callable[[Structure], Structure]:
    """`function` compiled to a graph, if the backend has graphs; it is traced once, now.

    Args:
        function: takes a structure of tensors.
        specs: the structure, with a `keras.KerasTensor` for each tensor; None
            in a shape is any size.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    signature = tf.nest.map_structure(lambda s: tf.TensorSpec(s.shape, s.dtype), specs)
    graph = tf.function(function, input_signature=[signature], autograph=False)
    # A concrete function, since TensorFlow warns if several functions of one name are traced;
    # and it holds on to no more than the variables of what it has traced.
    graph = graph.get_concrete_function()

    def run(inputs: Structure) -> Structure:
        return graph(
            tf.nest.map_structure(lambda a, s: tf.convert_to_tensor(a, s.dtype), inputs, signature)
        )

    return run


def compiled_by_xla(
    function: Callable[[dict[str, Tensor]], Structure],
) -> Callable[[dict[str, Tensor]], Structure]:
    """A function of a dictionary of tensors, compiled by XLA; on torch the function itself."""
    if keras.backend.backend() == "torch":
        return function
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        whole = tf.function(function, jit_compile=True, autograph=False)
        return lambda tensors: whole({n: tf.constant(t) for n, t in tensors.items()})
    import jax

    def call(tensors: dict[str, Tensor]) -> Structure:
        # As a list, since JAX sorts dictionaries and the order matters here.
        names = list(tensors)
        flat = jax.jit(lambda *arrays: function(dict(zip(names, arrays))))
        return flat(*tensors.values())

    return call


def with_unknown_sizes(
    function: Callable[..., Structure], *specs: tuple[int, str]
) -> Callable[..., Structure]:
    """A function traced once for all sizes, where tracing knows that.

    Args:
        function: of one tensor per spec.
        *specs: pairs of rank and dtype.
    """
    if keras.backend.backend() != "tensorflow":
        # JAX compiles each shape anew and torch runs eagerly: nothing is ever unknown.
        return function
    import tensorflow as tf

    signature = [tf.TensorSpec((None,) * rank, dtype) for rank, dtype in specs]
    traced = tf.function(function, input_signature=signature, autograph=False)
    return lambda *arrays: traced(
        *(tf.constant(array, spec.dtype) for array, spec in zip(arrays, signature))
    )


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
