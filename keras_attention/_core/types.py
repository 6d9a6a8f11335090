"""Types that public signatures share.

Keras ships no type information, so a tensor is `Any` to a type checker. `Tensor` and the other
names below say what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np

if TYPE_CHECKING:
    import keras

# A tensor of the Keras backend, a `keras.KerasTensor`, or an array that converts to one.
Tensor: TypeAlias = Any
# An array of NumPy, of any shape and dtype.
Array: TypeAlias = np.ndarray[Any, Any]
# A tensor, or lists, tuples, dictionaries and named tuples of tensors.
Structure: TypeAlias = Any
# Sizes of a tensor; None where a size is not known.
Shape: TypeAlias = tuple["int | None", ...]
# A dictionary that JSON can hold, as `get_config` returns and `from_config` takes.
Config: TypeAlias = dict[str, Any]
# What Keras hands to a callback.
Logs: TypeAlias = dict[str, float]
DType: TypeAlias = "str | keras.DTypePolicy"
Activation: TypeAlias = "str | Callable[[Tensor], Tensor] | None"
Initializer: TypeAlias = "str | keras.Initializer | Mapping[str, Any]"
Regularizer: TypeAlias = "str | keras.Regularizer | Mapping[str, Any] | None"
Constraint: TypeAlias = "str | keras.constraints.Constraint | Mapping[str, Any] | None"
Seed: TypeAlias = "int | keras.random.SeedGenerator | None"
Shapes: TypeAlias = "Shape | Sequence[Shape]"


class LayerOptions(TypedDict, total=False):
    """The arguments that every layer passes on to `keras.layers.Layer`."""

    name: str | None
    dtype: DType | None
    trainable: bool
    autocast: bool
    activity_regularizer: Regularizer
