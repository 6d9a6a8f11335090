"""First and second derivatives of losses by tensors and by Keras variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import ops

from keras_attention._core.types import Structure, Tensor

# `function(*tensors) -> (loss, found)`, the loss a scalar.
Loss = Callable[..., tuple[Tensor, Structure]]


def differentiate(
    function: Loss, tensors: Sequence[Tensor], variables: Sequence[keras.Variable]
) -> tuple[Structure, list[Tensor]]:
    """The results of `function`, and the gradients of its loss.

    Args:
        function: `function(*tensors) -> (loss, found)`, the loss a scalar.
        tensors: the tensors or arrays that it is a function of.
        variables: the Keras variables that it is a function of besides.

    Returns:
        `found`, and one gradient per tensor and variable, zero where the loss
        does not depend on it.
    """
    tensors = [ops.convert_to_tensor(tensor) for tensor in tensors]
    return _FIRST[keras.backend.backend()](function, tensors, list(variables))


def differentiate_twice(
    function: Loss,
    tensors: Sequence[Tensor],
    variables: Sequence[keras.Variable],
    directions: Sequence[Tensor],
) -> list[Tensor]:
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
    return _SECOND[keras.backend.backend()](function, tensors, list(variables), directions)


def _by_tape(
    function: Loss, tensors: list[Tensor], variables: list[keras.Variable]
) -> tuple[Structure, list[Tensor]]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss, found = function(*tensors)
    sources = [*tensors, *(variable.value for variable in variables)]
    return found, tape.gradient(loss, sources, unconnected_gradients="zero")


def _by_transformation(
    function: Loss, tensors: list[Tensor], variables: list[keras.Variable]
) -> tuple[Structure, list[Tensor]]:
    import jax

    def of_everything(sources: list[Tensor]) -> tuple[Tensor, Structure]:
        values = sources[len(tensors) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*sources[: len(tensors)])

    sources = [*tensors, *(variable.value for variable in variables)]
    (_, found), gradients = jax.value_and_grad(of_everything, has_aux=True)(sources)
    return found, gradients


def _by_graph(
    function: Loss, tensors: list[Tensor], variables: list[keras.Variable]
) -> tuple[Structure, list[Tensor]]:
    import torch

    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    loss, found = function(*tensors)
    sources = [*tensors, *(variable.value for variable in variables)]
    options = {"allow_unused": True, "materialize_grads": True}
    return found, list(torch.autograd.grad(loss, sources, **options))


def _slope(gradients: Sequence[Tensor], directions: Sequence[Tensor]) -> Tensor:
    return sum(ops.sum(gradient * along) for gradient, along in zip(gradients, directions))


def _twice_by_tape(
    function: Loss,
    tensors: list[Tensor],
    variables: list[keras.Variable],
    directions: list[Tensor],
) -> list[Tensor]:
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


def _twice_by_transformation(
    function: Loss,
    tensors: list[Tensor],
    variables: list[keras.Variable],
    directions: list[Tensor],
) -> list[Tensor]:
    import jax

    def of_everything(sources: list[Tensor]) -> Tensor:
        values = sources[len(tensors) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*sources[: len(tensors)])[0]

    def slope(sources: list[Tensor]) -> Tensor:
        return _slope(jax.grad(of_everything)(sources), directions)

    return jax.grad(slope)([*tensors, *(variable.value for variable in variables)])


def _twice_by_graph(
    function: Loss,
    tensors: list[Tensor],
    variables: list[keras.Variable],
    directions: list[Tensor],
) -> list[Tensor]:
    import torch

    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    sources = [*tensors, *(variable.value for variable in variables)]
    options = {"allow_unused": True, "materialize_grads": True}
    loss, _ = function(*tensors)
    gradients = torch.autograd.grad(loss, sources, create_graph=True, **options)
    slope = _slope(gradients, directions)
    if not slope.requires_grad:
        return [torch.zeros_like(source) for source in sources]
    return list(torch.autograd.grad(slope, sources, **options))


_FIRST = {"tensorflow": _by_tape, "jax": _by_transformation, "torch": _by_graph}
_SECOND = {
    "tensorflow": _twice_by_tape,
    "jax": _twice_by_transformation,
    "torch": _twice_by_graph,
}
