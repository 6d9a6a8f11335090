"""Functions of nested structures of tensors, in which None may stand for a missing tensor."""

import keras
from keras import ops, tree


def map_tensors(function, structure):
    """`function` of every tensor; None stays None."""
    return tree.map_structure(lambda leaf: None if leaf is None else function(leaf), structure)


def swap_batch_and_time(x):
    """`(B, T, ...)` to `(T, B, ...)`, and back."""
    return ops.swapaxes(x, 0, 1)


class _Traced(keras.Operation):
    def __init__(self, function):
        super().__init__()
        self.call = function


def spec_of(function, *arguments):
    """What `function` would return, as symbolic tensors; nothing is computed."""
    return _Traced(function).compute_output_spec(*arguments)
