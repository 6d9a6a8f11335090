"""Properties of gradients: those that a backend computes equal finite differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention._core.backend import differentiate, differentiate_twice, real_float64
from keras_attention._core.checks import score_dtype
from keras_attention._core.types import Array, Structure, Tensor
from keras_attention.testing._numbers import hold, numbers
from keras_attention.testing._subject import Inputs, Subject, call


def loss(outputs: Tensor, weights: Tensor) -> Tensor:
    """A scalar to which every real output and weight contributes something else."""
    rng = np.random.default_rng(3)
    total = 0.0
    # Only what is there without extra padding, so that losses can be compared.
    for tensor in (outputs[:, :3], weights[:, :3, :5]):
        dtype = score_dtype(keras.backend.standardize_dtype(tensor.dtype))
        factors = ops.convert_to_tensor(rng.normal(size=tensor.shape), dtype)
        total += ops.sum(ops.cast(tensor, dtype) * factors)
    return total


def forward_and_back(layer: Any, inputs: Inputs) -> tuple[Structure, list[Tensor]]:
    """Outputs and weights, and the gradients of `loss`.

    The gradients are those of the two tensors in `inputs`, then of every weight.
    """
    compute, tensors = _as_function(layer, inputs)
    return differentiate(compute, tensors, layer.trainable_variables)


def _as_function(layer: Any, inputs: Inputs) -> tuple[Callable[..., Any], list[Array]]:
    """The loss and the results of a layer as a function of two of its inputs, and these."""
    first, value, *_ = inputs

    def compute(*tensors: Tensor) -> tuple[Tensor, Structure]:
        found = call(layer, {**inputs, first: tensors[0], value: tensors[1]})
        return loss(*found), found

    return compute, [inputs[first], inputs[value]]


def gradients_equal_finite_differences(subject: Subject) -> None:
    """Where a gradient is meant to be an estimate, say `smooth=False`."""
    if not subject.smooth:
        return
    with real_float64():
        _compare_with_finite_differences(subject)


def _compare_with_finite_differences(subject: Subject) -> None:
    layer, inputs = subject.built("float64"), subject.inputs("float64")
    first, value, *_ = inputs
    rng, step = np.random.default_rng(4), 1e-6
    found = numbers(forward_and_back(layer, inputs)[1])

    def compare(name: str, gradient: Array, move: Callable[[Array], Any], shape: Any) -> None:
        direction = rng.normal(size=shape)
        move(step * direction)
        (ahead,) = numbers([loss(*call(layer, inputs))])
        move(-2 * step * direction)
        (behind,) = numbers([loss(*call(layer, inputs))])
        move(step * direction)
        expected, slope = (ahead - behind) / (2 * step), np.sum(gradient * direction)
        hold(
            np.isclose(slope, expected, rtol=1e-5, atol=1e-8),
            f"gradient of {name}: expected a slope of {expected:.8g}, found {slope:.8g}.",
        )

    for name, gradient in zip((first, value), found):

        def move(by: Array, name: str = name) -> None:
            inputs[name] = inputs[name] + by

        compare(name, gradient, move, inputs[name].shape)
    for variable, gradient in zip(layer.trainable_variables, found[2:]):
        compare(variable.path, gradient, variable.assign_add, tuple(variable.shape))


def second_derivatives_equal_finite_differences(subject: Subject) -> None:
    """A `custom_gradient` is itself differentiable."""
    if not subject.smooth:
        return
    with real_float64():
        _compare_second_derivatives(subject)


def _compare_second_derivatives(subject: Subject) -> None:
    layer, inputs = subject.built("float64"), subject.inputs("float64")
    variables = layer.trainable_variables
    compute, tensors = _as_function(layer, inputs)
    rng, step = np.random.default_rng(6), 1e-5
    shapes = [tuple(source.shape) for source in (*tensors, *variables)]
    along, across = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))

    def slope(by: float) -> float:
        moved = [tensor + by * move for tensor, move in zip(tensors, across)]
        kept = [np.array(numbers([variable])[0]) for variable in variables]
        for variable, at, move in zip(variables, kept, across[2:]):
            variable.assign(at + by * move)
        gradients = numbers(differentiate(compute, moved, variables)[1])
        for variable, at in zip(variables, kept):
            variable.assign(at)
        return float(sum(np.sum(gradient * move) for gradient, move in zip(gradients, along)))

    second = numbers(differentiate_twice(compute, tensors, variables, along))
    found = float(sum(np.sum(gradient * move) for gradient, move in zip(second, across)))
    expected = (slope(step) - slope(-step)) / (2 * step)
    hold(
        np.isclose(found, expected, rtol=1e-6, atol=1e-6),
        f"second derivative: expected {expected:.8g}, found {found:.8g}.",
    )
