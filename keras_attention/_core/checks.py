"""Checks of arguments, all worded alike: name, expected, received.

The checks of numbers return plain Python numbers, so that NumPy numbers may be passed and a
layer's config holds what JSON can hold.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TypeVar

import keras
import numpy as np

from keras_attention._core.types import Shape, Structure, Tensor

T = TypeVar("T")


def score_dtype(dtype: str) -> str:
    """The dtype of scores and weights, at least float32."""
    return "float64" if dtype == "float64" else "float32"


def received(**values: Shape) -> str:
    """`received(query=(2, 3))` is "received query of shape (2, 3)"."""
    parts = (f"{name} of shape {tuple(shape)}" for name, shape in values.items())
    return "received " + " and ".join(parts)


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_positive(name: str, value: int) -> int:
    """Refuses everything but an integer above zero."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{name}: expected a positive integer, received {value!r}.")
    return int(value)


def check_number(name: str, value: float, at_least: float | None = None) -> float:
    """Refuses everything but a number, and numbers below `at_least`."""
    if not _is_number(value) or (at_least is not None and not value >= at_least):
        limit = "" if at_least is None else f" of at least {at_least}"
        raise ValueError(f"{name}: expected a number{limit}, received {value!r}.")
    return _plain(value)


def check_finite(name: str, value: float) -> float:
    """Refuses everything but a number, and infinite ones.

    Example:

    >>> from keras_attention._core.checks import check_finite
    >>> check_finite("at_least", 0.5)
    0.5
    """
    if not math.isfinite(check_number(name, value)):
        raise ValueError(f"{name}: expected a finite number, received {value!r}.")
    return _plain(value)


def check_positive_number(name: str, value: float) -> float:
    """Refuses everything but a number above zero."""
    if not _is_number(value) or not value > 0:
        raise ValueError(f"{name}: expected a number above 0, received {value!r}.")
    return _plain(value)


def check_rate(name: str, value: float) -> float:
    """Refuses everything outside [0, 1)."""
    if not isinstance(value, numbers.Real) or not 0 <= value < 1:
        raise ValueError(f"{name}: expected a number from 0 to below 1, received {value!r}.")
    return _plain(value)


def _plain(value: float) -> float:
    if isinstance(value, np.generic):
        # A float32 as the decimal number that was meant: 0.1, not 0.10000000149.
        return float(str(value)) if isinstance(value, np.floating) else value.item()
    return value


def check_flag(name: str, value: bool) -> bool:
    """Refuses everything but True and False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}: expected True or False, received {value!r}.")
    return bool(value)


def check_choice(name: str, value: T, choices: Sequence[T]) -> T:
    """Refuses everything that is not one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"{name}: expected one of {', '.join(map(repr, choices))}, received {value!r}."
        )
    return value


def check_rank(name: str, tensor: Tensor, ranks: Sequence[int], meaning: str) -> None:
    """Refuses a tensor of another rank, and an empty one."""
    if len(tensor.shape) not in ranks:
        raise ValueError(
            f"{name}: expected {meaning}, received shape {tuple(tensor.shape)} "
            f"of rank {len(tensor.shape)}."
        )
    if 0 in tuple(tensor.shape):
        raise ValueError(
            f"{name}: expected {meaning} with at least one element, received the empty shape "
            f"{tuple(tensor.shape)}."
        )


def check_shape(name: str, tensor: Tensor, expected: Shape, meaning: str) -> None:
    """Refuses a tensor whose known sizes contradict `expected` (None fits anything)."""
    # A mask may be a plain list.
    shape = tuple(np.shape(tensor) if isinstance(tensor, (list, tuple)) else tensor.shape)
    fits = len(shape) == len(expected) and all(
        a is None or b is None or a == b for a, b in zip(shape, expected)
    )
    if not fits:
        raise ValueError(
            f"{name}: expected {meaning}, that is shape {tuple(expected)}, received shape {shape}."
        )


def check_size(name: str, tensor: Tensor, size: int | None) -> None:
    """Refuses a tensor whose last size differs from the one that the layer was built for."""
    expected = (*tensor.shape[:-1], size)
    check_shape(name, tensor, expected, f"the {size} features that the layer was built for")


def check_batch(name: str, tensor: Tensor, batch: int | None, meaning: str) -> None:
    """Refuses a tensor of another batch size: a batch of 1 would be broadcast silently."""
    check_shape(name, tensor, (batch, *tensor.shape[1:]), meaning)


def check_features(**shapes: Shape) -> None:
    """Refuses shapes whose last size is unknown: weights could not be made for them."""
    for name, shape in shapes.items():
        known_features(name, shape)


def known_features(name: str, shape: Shape) -> int:
    """The last size of a shape; refuses a shape whose last size is unknown."""
    size = shape[-1]
    if size is None:
        raise ValueError(
            f"{name}: expected a known last size, which the weights need, received shape "
            f"{tuple(shape)}."
        )
    return size


def check_id(name: str, value: int) -> int:
    """Refuses anything but an integer from 0 on.

    Example:

    >>> from keras_attention._core.checks import check_id
    >>> check_id("pad_id", 7)
    7
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise ValueError(f"{name}: expected an integer from 0 on, received {value!r}.")
    return int(value)


def check_ids(name: str, tensor: Tensor) -> None:
    """Refuses anything but a matrix of integers."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if "int" not in dtype:
        raise ValueError(f"{name}: expected integer ids, received dtype {dtype}.")
    check_rank(name, tensor, (2,), "ids of shape (batch, length)")


def check_call(
    args: Sequence[Structure], kwargs: Mapping[str, Structure], first: str, *others: str
) -> None:
    """Refuses the ways in which other Keras layers are called, `layer([query, value])`, `mask=`.

    Args:
        args: the positional arguments of the call.
        kwargs: the arguments by name.
        first: the name of the layer's first argument, such as "query".
        *others: the names of its other required arguments, such as "value".
    """
    names = ", ".join((first, *others))
    whole = args[0] if args else kwargs.get(first)
    alone = len(args) < 2 and others[0] not in kwargs
    if isinstance(whole, (list, tuple)) and alone:
        raise ValueError(
            f"{first}: expected a tensor, received a list of {len(whole)}; write layer({names}) "
            f"instead of layer([{names}])."
        )
    if "mask" in kwargs:
        masks = " and ".join(f"{name}_mask" for name in (first, *others))
        raise ValueError(f"mask: expected {masks} in its place, received mask.")
