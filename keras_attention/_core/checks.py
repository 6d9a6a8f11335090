"""Checks of what users pass in, worded alike everywhere: name, expected, received."""

import keras
import numpy as np


def score_dtype(dtype):
    """Scores and weights are computed in at least float32."""
    return "float64" if dtype == "float64" else "float32"


def received(**values):
    """`received(query=(2, 3))` is "received query of shape (2, 3)"."""
    parts = (f"{name} of shape {tuple(shape)}" for name, shape in values.items())
    return "received " + " and ".join(parts)


def check_positive(name, value):
    """Refuses everything but an integer above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: expected a positive integer, received {value!r}.")


def check_number(name, value, at_least=None):
    """Refuses everything but a number, and one below `at_least`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or (at_least is not None and not value >= at_least):
        limit = "" if at_least is None else f" of at least {at_least}"
        raise ValueError(f"{name}: expected a number{limit}, received {value!r}.")


def check_positive_number(name, value):
    """Refuses everything but a number above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name}: expected a number above 0, received {value!r}.")


def check_rate(name, value):
    """Refuses everything outside [0, 1)."""
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(f"{name}: expected a number from 0 to below 1, received {value!r}.")


def check_flag(name, value):
    """Refuses everything but True and False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, received {value!r}.")


def check_choice(name, value, choices):
    """Refuses everything that is not one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"{name}: expected one of {', '.join(map(repr, choices))}, received {value!r}."
        )


def check_rank(name, tensor, ranks, meaning):
    """Refuses a tensor of another rank, and one without anything in it."""
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


def check_shape(name, tensor, expected, meaning):
    """Refuses a tensor whose known sizes contradict `expected` (None fits anything)."""
    # A mask may be a plain list.
    shape = tuple(tensor.shape if hasattr(tensor, "shape") else np.shape(tensor))
    fits = len(shape) == len(expected) and all(
        a is None or b is None or a == b for a, b in zip(shape, expected)
    )
    if not fits:
        raise ValueError(
            f"{name}: expected {meaning}, that is shape {tuple(expected)}, received shape {shape}."
        )


def check_size(name, tensor, size):
    """Refuses a tensor whose last size is another than the one that the layer was built for."""
    expected = (*tensor.shape[:-1], size)
    check_shape(name, tensor, expected, f"the {size} features that the layer was built for")


def check_features(**shapes):
    """Refuses shapes whose last size is unknown: weights could not be made for them."""
    for name, shape in shapes.items():
        if shape[-1] is None:
            raise ValueError(
                f"{name}: expected a known last size, which the weights need, received shape "
                f"{tuple(shape)}."
            )


def check_ids(name, tensor):
    """Refuses anything but a matrix of integers."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if "int" not in dtype:
        raise ValueError(f"{name}: expected integer ids, received dtype {dtype}.")
    check_rank(name, tensor, (2,), "ids of shape (batch, length)")
