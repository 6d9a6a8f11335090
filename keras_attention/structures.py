"""What is done to every tensor of a nested structure, in which None may stand for no tensor."""

import keras
from keras import ops, tree


def map_tensors(function, structure):
    """`function` of every tensor; None stays None."""
    return tree.map_structure(lambda leaf: None if leaf is None else function(leaf), structure)


def swap_batch_and_time(x):
    """`(B, T, ...)` to `(T, B, ...)`, and back."""
    return ops.swapaxes(x, 0, 1)


def keep_where_masked(mask, after, before):
    """A state `after` a step where `mask` `(B,)` is True, and the one `before` it elsewhere."""
    if mask is None:
        return after

    def keep(new, old):
        shape = (-1,) + (1,) * (len(new.shape) - 1)
        return ops.where(ops.reshape(mask, shape), new, old)

    return tree.map_structure(keep, after, before)


def zero_where_masked(mask, x):
    """`x` `(..., D)` where `mask` `(...)` is True, and zeros elsewhere."""
    return x if mask is None else ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))


class _Traced(keras.Operation):
    def __init__(self, function):
        super().__init__()
        self.call = function


def spec_of(function, *arguments):
    """What `function` would return, as symbolic tensors; nothing is computed."""
    return _Traced(function).compute_output_spec(*arguments)
