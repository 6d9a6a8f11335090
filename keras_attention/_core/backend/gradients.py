"""Gradients of functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from keras_attention._core.types import Tensor


def vjp(
    function: Callable[..., Tensor], args: Sequence[Tensor], upstream: Tensor
) -> Sequence[Tensor]:
    """The vector-Jacobian product of `function` at `args` with `upstream`: one tensor per argument.

    It is part of the graph or trace that it is called in, and can be
    differentiated again.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(args)
            result = function(*args)
        return tape.gradient(result, args, upstream, tf.UnconnectedGradients.ZERO)
    if backend == "jax":
        import jax

        return jax.vjp(function, *args)[1](upstream)
    import torch

    return torch.func.vjp(function, *args)[1](upstream)


def gradient(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function for the gradient of the scalar `function(tensor, *others)` by the tensor.

    It is compiled if the backend has graphs, once for each combination of shapes.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def slope(tensor: Tensor, *others: Tensor) -> Tensor:
            with tf.GradientTape() as tape:
                tape.watch(tensor)
                result = function(tensor, *others)
            return tape.gradient(result, tensor, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return tf.function(slope, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))

    def backward(tensor: Tensor, *others: Tensor) -> Tensor:
        tensor = tensor.detach().requires_grad_()
        function(tensor, *others).backward()
        return tensor.grad

    return backward
