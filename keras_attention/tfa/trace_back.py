"""Which beams a hypothesis went through: tfa's `gather_tree`."""

from keras import ops

from keras_attention._core.backend.gathers import gather_within_rows
from keras_attention._core.checks import check_rank


def trace_back(parent_ids, lengths):
    """Through which beam each beam of the last step went, in every step.

    Args:
        parent_ids: `(B, T, K)`, which beam of the step before each beam continues.
        lengths: `(B,)`; later steps are passed over, as if each beam continued itself.

    Returns:
        `(B, T, K)` int32. With `take_along_axis(ids, ..., axis=2)` of the ids
        of the steps it is what tfa's `gather_tree` finds, and with those of
        any other tensor of the steps its `gather_tree_from_array`.

    Raises:
        ValueError: for other ranks.

    Example:

    >>> from keras import ops
    >>> from keras_attention.tfa import trace_back
    >>> parents = ops.array([[[0, 0], [1, 0], [1, 1]]])  # the last two beams both continue beam 1
    >>> trace_back(parents, ops.array([3])).numpy().tolist()
    [[[0, 0], [1, 1], [0, 1]]]
    """
    check_rank("parent_ids", parent_ids, (3,), "parents of shape (batch, steps, beams)")
    check_rank("lengths", lengths, (1,), "lengths of shape (batch,)")
    parent_ids, lengths = ops.cast(parent_ids, "int32"), ops.cast(lengths, "int32")
    times = ops.arange(ops.shape(parent_ids)[1])
    own = ops.arange(parent_ids.shape[2], dtype="int32") + ops.zeros_like(parent_ids)

    def body(t, beams, found):
        found = _write(times, t, beams, found)
        earlier = gather_within_rows(ops.take(parent_ids, t, axis=1), beams)
        return t - 1, ops.where(ops.expand_dims(t < lengths, 1), earlier, beams), found

    loop = (ops.max(lengths) - 1, own[:, 0], own)
    return ops.while_loop(lambda t, *_: t >= 0, body, loop)[2]


def _write(times, now, tensor, elsewhere):
    """`elsewhere` `(B, T, K)` with `tensor` `(B, K)` at the time `now`."""
    here = ops.reshape(ops.equal(times, now), (1, -1, 1))
    return ops.where(here, ops.expand_dims(tensor, 1), elsewhere)
