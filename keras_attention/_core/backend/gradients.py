"""Gradients of functions."""

import keras


def vjp(function, args, upstream):
    """The gradient of `function` at `args` in the direction `upstream`: one tensor an argument.

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


def gradient(function):
    """What gives the gradient of `function(tensor, *others)`, a scalar, by the tensor.

    It is a graph where the backend has graphs, traced anew for other shapes.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def slope(tensor, *others):
            with tf.GradientTape() as tape:
                tape.watch(tensor)
                result = function(tensor, *others)
            return tape.gradient(result, tensor, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return tf.function(slope, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))

    def backward(tensor, *others):
        tensor = tensor.detach().requires_grad_()
        function(tensor, *others).backward()
        return tensor.grad

    return backward
