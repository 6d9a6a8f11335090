"""Functions of nested structures of tensors, in which None may stand for a missing tensor."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops, tree

from keras_attention._core.types import Structure, Tensor


def map_tensors(function: Callable[[Tensor], Tensor], structure: Structure) -> Structure:
    """`function` applied to every tensor; None stays None."""
    return tree.map_structure(lambda leaf: None if leaf is None else function(leaf), structure)


def swap_batch_and_time(x: Tensor) -> Tensor:
    """`(B, T, ...)` to `(T, B, ...)`, and back."""
    return ops.swapaxes(x, 0, 1)


class _Traced(keras.Operation):
    def __init__(self, function: Callable[..., Structure]) -> None:
        super().__init__()
        self.call = function


def spec_of(function: Callable[..., Structure], *arguments: Structure) -> Structure:
    """The result of `function` as symbolic tensors; nothing is computed."""
    return _Traced(function).compute_output_spec(*arguments)
