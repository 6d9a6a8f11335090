"""Arrays of floats as 8-bit integers and scales."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# Unsigned, because products with signed weights saturate on processors without VNNI.
ZERO, LARGEST = 128, 127


class Rounded(NamedTuple):
    """An array as integers: `(integers - 128) * scales` is within half a scale of it.

    Attributes:
        integers: uint8, of the shape of the array.
        scales: float32, one for each slice along one dimension; they broadcast.
    """

    integers: np.ndarray[Any, Any]
    scales: np.ndarray[Any, Any]


def rounded(array: np.ndarray[Any, Any], axis: int) -> Rounded:
    """Rounds every slice along `axis` to 255 steps, from minus to plus its largest number.

    Args:
        array: float32, finite.
        axis: the dimension whose slices have a scale each.

    Example:

    >>> import numpy as np
    >>> from keras_attention.export.precision.rounding import rounded
    >>> found = rounded(np.array([[1.27, 0.5], [-0.01, 1.0]], "float32"), axis=0)
    >>> found.integers.tolist()
    [[255, 178], [127, 255]]
    """
    others = tuple(i for i in range(array.ndim) if i != axis % array.ndim)
    largest = np.max(np.abs(array), axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / np.float32(LARGEST), np.float32(1))
    steps = np.clip(np.rint(array / scales), -LARGEST, LARGEST)
    return Rounded((steps + ZERO).astype(np.uint8), scales)
