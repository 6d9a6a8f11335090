"""The variables of a model in one file, which is checked when it is read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention._core.files import replacing
from keras_attention._core.types import Config

# Of the file; a file with another number is not read.
FORMAT = 1
_NOTE = "note"

Values = list[NDArray[Any]]


class Snapshot(NamedTuple):
    """The values of the variables of a model, and what was noted with them."""

    values: Values
    note: Config


def state_of(model: keras.Model) -> list[keras.Variable]:
    """All that training changes in a model, metrics aside.

    These are its weights, the states of its `keras.random.SeedGenerator`s, and the variables of
    its optimizer, the number of steps among them. `model.save_weights` leaves out the seed
    generators.

    Args:
        model: a built and compiled model.

    Returns:
        Variables, in an order that depends on the architecture alone.
    """
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return [*model.variables, *optimizer.variables]


def values_of(variables: Sequence[keras.Variable]) -> Values:
    """Copies of the values of variables."""
    # An array of the backend may be the memory of the variable itself.
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def assign(variables: Sequence[keras.Variable], values: Values) -> None:
    """Sets variables to values of the same shapes."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def weights_are_finite(model: keras.Model) -> bool:
    """Whether the trainable weights of a model have neither NaN nor infinity."""
    weights = model.trainable_variables
    return all(bool(keras.ops.all(keras.ops.isfinite(weight))) for weight in weights)


def as_json(description: Mapping[str, Any] | None) -> Any:
    """A description as it comes back from a note: tuples become lists, for instance."""
    return json.loads(json.dumps(description))


def write_snapshot(path: Path, model: keras.Model, note: Config) -> None:
    """Writes the state of a model and a note, whole or not at all.

    Args:
        path: a file `NAME.npz`, in a folder that exists.
        model: a built and compiled model.
        note: what JSON can hold.
    """
    values = map(_native, values_of(state_of(model)))
    arrays: dict[str, Any] = {f"variable_{i}": value for i, value in enumerate(values)}
    arrays[_NOTE] = np.array(json.dumps({"format": FORMAT, **note}))
    with replacing(path) as unfinished:
        np.savez(unfinished, **arrays)


def read_snapshot(path: Path, model: keras.Model) -> Snapshot:
    """Reads what `write_snapshot` wrote of a model of the same architecture.

    Args:
        path: the file.
        model: a built and compiled model. It is not changed.

    Returns:
        `Snapshot`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or of another model.
    """
    size = path.stat().st_size
    if not zipfile.is_zipfile(path):
        raise ValueError(f"It is damaged or was not written in full ({size:,} bytes).")
    try:
        # Reading an array to its end compares the checksum in the file.
        with np.load(path, allow_pickle=False) as file:
            note = json.loads(str(file[_NOTE]))
            values = [file[f"variable_{i}"] for i in range(len(file.files) - 1)]
        version = note.pop("format")
    except Exception as error:
        raise ValueError(f"It is damaged ({type(error).__name__}).") from error
    if version != FORMAT:
        raise ValueError(f"Its format is {version}, expected {FORMAT}.")
    expected = [tuple(variable.shape) for variable in state_of(model)]
    received = [value.shape for value in values]
    if received != expected:
        raise ValueError("It is of another model: its variables have other shapes.")
    return Snapshot(values, note)


def _native(value: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in a type that NumPy has itself: bfloat16 and float8 are not among them."""
    return value if value.dtype.isbuiltin == 1 else value.astype("float32")
