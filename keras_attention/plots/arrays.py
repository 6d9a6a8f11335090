"""Arrays and tensors of any library as NumPy arrays."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from keras_attention._core.types import Tensor


@runtime_checkable
class _TorchTensor(Protocol):
    """A tensor of torch, which may require a gradient or be on another device."""

    def detach(self) -> _TorchTensor: ...

    def cpu(self) -> _TorchTensor: ...


def as_array(tensor: Tensor) -> NDArray[Any]:
    """A NumPy array of the same dtype.

    Example:

    >>> from keras_attention.plots.arrays import as_array
    >>> as_array([[1, 2]]).shape
    (1, 2)
    """
    if isinstance(tensor, _TorchTensor):
        tensor = tensor.detach().cpu()
    return np.asarray(tensor)


def as_numbers(name: str, tensor: Tensor) -> NDArray[np.float64]:
    """A float64 array; `name` is the argument that an error names.

    Raises:
        ValueError: if the elements are not numbers.
    """
    array = as_array(tensor)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected numbers, received dtype {array.dtype}.")
    return array.astype("float64")
