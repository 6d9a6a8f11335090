"""Batches by the names of inputs: checked, cut into single examples, and their sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attention.export.call.inputs import Batch


def listed(examples: Iterable[object]) -> list[object]:
    """The batches that a user gave, at least one."""
    found = list(examples)
    if not found:
        raise ValueError("examples: expected at least one batch to verify with, received none.")
    return found


def checked_batch(batch: object, specs: dict[str, tf.TensorSpec]) -> Batch:
    """A batch as a dictionary of arrays; refuses other names and shapes.

    Args:
        batch: a dictionary by name, or what the only input takes.
        specs: of the inputs.

    Raises:
        ValueError: where the batch does not fit.
    """
    if not isinstance(batch, Mapping):
        if len(specs) != 1:
            raise ValueError(
                f"examples: expected dictionaries of {', '.join(specs)}, received "
                f"{type(batch).__name__}."
            )
        batch = {next(iter(specs)): batch}
    if set(batch) != set(specs):
        raise ValueError(
            f"examples: expected arrays named {', '.join(specs)}, received "
            f"{', '.join(map(str, batch)) or 'none'}."
        )
    arrays = {name: _array(batch[name], spec) for name, spec in specs.items()}
    for name, array in arrays.items():
        if not specs[name].shape.is_compatible_with(array.shape) or not len(array):
            raise ValueError(
                f"examples: expected {name} of shape {tuple(specs[name].shape)}, received "
                f"{array.shape}."
            )
    return arrays


def singles(batch: Batch, size: int) -> list[Batch]:
    """A batch cut into batches of `size` examples."""
    count = len(next(iter(batch.values())))
    return [
        {name: array[i : i + size] for name, array in batch.items()}
        for i in range(0, count - size + 1, size)
    ]


def sizes_of(specs: dict[str, tf.TensorSpec], batch: Batch) -> dict[str, int]:
    """The number of examples, and every open length, by the name of its input."""
    sizes = {"batch": len(next(iter(batch.values())))}
    for name, spec in specs.items():
        for axis, size in enumerate(spec.shape.as_list()):
            if axis and size is None:
                named = f"{name}_length" if axis == 1 else f"{name}_{axis}"
                sizes[named] = batch[name].shape[axis]
    return sizes


def _array(given: Any, spec: tf.TensorSpec) -> np.ndarray[Any, Any]:
    array = np.asarray(given)
    if spec.dtype == tf.string:
        return array
    return array.astype(spec.dtype.as_numpy_dtype)
