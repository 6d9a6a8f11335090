"""Tensors as float64 arrays, and what a property says where two of them differ."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from keras_attention._core.types import Array, Structure, Tensor


def numbers(tensors: Iterable[Tensor]) -> list[Array]:
    """Tensors of any kind as float64 arrays."""
    return [_numbers_of(tensor) for tensor in tensors]


def _numbers_of(tensor: Tensor) -> Array:
    if isinstance(tensor, (int, float, list, tuple, np.ndarray, np.generic)):
        return np.asarray(tensor, "float64")
    # Only these are cast: TensorFlow makes no array of a single bfloat16, and an array of
    # float64 would go through JAX as float32.
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = ops.cast(tensor, "float32")
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def hold(condition: object, message: str) -> None:
    """Fails with a message unless the condition is true."""
    if not condition:
        raise AssertionError(message)


def hold_equal(
    found: Iterable[Structure],
    expected: Iterable[Structure],
    names: Iterable[str] = (),
    atol: float = 2e-6,
) -> None:
    """Fails where tensors differ by more than `atol + 1e-5 |expected|`, and says where most."""
    pairs = list(zip(numbers(found), numbers(expected), strict=True))
    names = [*names, *(f"tensor {i}" for i in range(len(pairs)))]
    for name, (one, other) in zip(names, pairs):
        hold(one.shape == other.shape, f"{name}: expected shape {other.shape}, found {one.shape}.")
        wrong = ~np.isclose(one, other, rtol=1e-5, atol=atol, equal_nan=True)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise AssertionError(
                f"{name}: {wrong.sum()} of {wrong.size} numbers differ, the first at {at}: "
                f"expected {other[at]:.6g}, found {one[at]:.6g}."
            )


def hold_finite(arrays: Iterable[Array], what: str) -> None:
    """Fails for NaN and infinity."""
    wrong = sum(int((~np.isfinite(array)).sum()) for array in arrays)
    hold(not wrong, f"{what}: {wrong} numbers are NaN or infinite.")


def hold_zero(array: Array, what: str) -> None:
    """Fails unless all numbers are zero."""
    largest = float(np.max(np.abs(array), initial=0.0))
    hold(not array.any(), f"{what}: expected zeros, found {largest:.6g}.")
