"""What is done where a mask is False."""

from keras import ops, tree


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
