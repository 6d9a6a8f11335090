"""Gradients and compilation on each backend, which keras.ops lacks."""

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()


def numbers(tensors):
    """Tensors of any kind as float64 arrays."""
    return [_number(tensor) for tensor in tensors]


def _number(tensor):
    # Only these are cast: TensorFlow makes no array of a single bfloat16, and an array of
    # float64 would go through JAX as float32.
    if hasattr(tensor, "dtype") and keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = ops.cast(tensor, "float32")
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def differentiate(function, tensors, variables):
    """The results of `function`, and the gradients of its loss.

    Args:
        function: `function(*tensors) -> (loss, found)`, the loss a scalar.
        tensors: the tensors or arrays that it is a function of.
        variables: the Keras variables that it is a function of besides.

    Returns:
        `found`, and one gradient a tensor and a variable, zero where the loss
        does not depend on it.
    """
    tensors = [ops.convert_to_tensor(tensor) for tensor in tensors]
    return _DIFFERENTIATE[BACKEND](function, tensors, list(variables))


def differentiate_twice(function, tensors, variables, directions):
    """The gradient of the derivative of a loss in a direction: its Hessian times the direction.

    Args:
        function: `function(*tensors) -> (loss, found)`, the loss a scalar.
        tensors, variables: as in `differentiate`.
        directions: one array for each tensor, then one for each variable.

    Returns:
        One gradient per tensor and variable, zero where nothing depends on it.
    """
    tensors = [ops.convert_to_tensor(tensor) for tensor in tensors]
    directions = [ops.convert_to_tensor(direction) for direction in directions]
    return _DIFFERENTIATE_TWICE[BACKEND](function, tensors, list(variables), directions)


def compiled(function):
    """A function of a dictionary of tensors, compiled by XLA."""
    if BACKEND == "torch":
        pytest.skip("Keras on torch has no XLA: it runs eagerly")
    if BACKEND == "tensorflow":
        import tensorflow as tf

        compiled_function = tf.function(function, jit_compile=True, autograph=False)
        return lambda tensors: compiled_function({n: tf.constant(t) for n, t in tensors.items()})
    import jax

    def call(tensors):
        # As a list, since JAX sorts dictionaries and the order matters here.
        names = list(tensors)
        flat = jax.jit(lambda *arrays: function(dict(zip(names, arrays))))
        return flat(*tensors.values())

    return call


def with_unknown_sizes(function, *specs):
    """A function traced once for all sizes, where tracing knows that.

    Args:
        function: of one tensor a spec.
        *specs: pairs of rank and dtype.
    """
    if BACKEND != "tensorflow":
        # JAX compiles each shape anew and torch runs eagerly: nothing is ever unknown.
        return function
    import tensorflow as tf

    signature = [tf.TensorSpec((None,) * rank, dtype) for rank, dtype in specs]
    traced = tf.function(function, input_signature=signature, autograph=False)
    return lambda *arrays: traced(
        *(tf.constant(array, spec.dtype) for array, spec in zip(arrays, signature))
    )


def stateful_graph(function):
    """A function as a graph that may change variables."""
    if BACKEND != "tensorflow":
        pytest.skip("a graph that changes variables by itself is TensorFlow's own")
    import tensorflow as tf

    return tf.function(function)


def _by_tape(function, tensors, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss, found = function(*tensors)
    sources = [*tensors, *(variable.value for variable in variables)]
    return found, tape.gradient(loss, sources, unconnected_gradients="zero")


def _by_transformation(function, tensors, variables):
    import jax

    def of_everything(sources):
        values = sources[len(tensors) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*sources[: len(tensors)])

    sources = [*tensors, *(variable.value for variable in variables)]
    (_, found), gradients = jax.value_and_grad(of_everything, has_aux=True)(sources)
    return found, gradients


def _by_graph(function, tensors, variables):
    import torch

    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    loss, found = function(*tensors)
    sources = [*tensors, *(variable.value for variable in variables)]
    return found, torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)


def _slope(gradients, directions):
    return sum(ops.sum(gradient * along) for gradient, along in zip(gradients, directions))


def _twice_by_tape(function, tensors, variables, directions):
    import tensorflow as tf

    sources = [*tensors, *(variable.value for variable in variables)]
    with tf.GradientTape() as outer:
        outer.watch(tensors)
        with tf.GradientTape() as inner:
            inner.watch(tensors)
            loss, _ = function(*tensors)
        gradients = inner.gradient(loss, sources, unconnected_gradients="zero")
        slope = _slope(gradients, directions)
    return outer.gradient(slope, sources, unconnected_gradients="zero")


def _twice_by_transformation(function, tensors, variables, directions):
    import jax

    def of_everything(sources):
        values = sources[len(tensors) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*sources[: len(tensors)])[0]

    def slope(sources):
        return _slope(jax.grad(of_everything)(sources), directions)

    return jax.grad(slope)([*tensors, *(variable.value for variable in variables)])


def _twice_by_graph(function, tensors, variables, directions):
    import torch

    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    sources = [*tensors, *(variable.value for variable in variables)]
    options = {"allow_unused": True, "materialize_grads": True}
    loss, _ = function(*tensors)
    gradients = torch.autograd.grad(loss, sources, create_graph=True, **options)
    slope = _slope(gradients, directions)
    if not slope.requires_grad:
        return [torch.zeros_like(source) for source in sources]
    return torch.autograd.grad(slope, sources, **options)


_DIFFERENTIATE_TWICE = {
    "tensorflow": _twice_by_tape,
    "jax": _twice_by_transformation,
    "torch": _twice_by_graph,
}
_DIFFERENTIATE = {"tensorflow": _by_tape, "jax": _by_transformation, "torch": _by_graph}
