"""The beams that a hypothesis went through: tfa's `gather_tree`, as indices."""

from __future__ import annotations

from keras import ops

from keras_attention._core.backend.gathers import gather_within_rows
from keras_attention._core.checks import check_rank
from keras_attention._core.types import Tensor


def trace_back(parent_ids: Tensor, lengths: Tensor) -> Tensor:
    """For each beam of the last step, the beam that it went through in every step.

    Args:
        parent_ids: `(B, T, K)`, the beam of the previous step that each beam continues.
        lengths: `(B,)`. In later steps each beam is taken to continue itself.
            Lengths above T count as T, as in tfa.

    Returns:
        `(B, T, K)` int32. `take_along_axis(ids, ..., axis=2)` of the ids of all
        steps gives the result of tfa's `gather_tree`; of another tensor of all
        steps, that of `gather_tree_from_array`.

    Raises:
        ValueError: for tensors of other ranks.

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
    steps = ops.shape(parent_ids)[1]
    lengths = ops.minimum(lengths, steps)
    times = ops.arange(steps)
    own = ops.arange(parent_ids.shape[2], dtype="int32") + ops.zeros_like(parent_ids)

    def body(t: Tensor, beams: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = write_step(times, t, beams, found)
        earlier = gather_within_rows(ops.take(parent_ids, t, axis=1), beams)
        return t - 1, ops.where(ops.expand_dims(t < lengths, 1), earlier, beams), found

    loop = (ops.max(lengths) - 1, own[:, 0], own)
    return ops.while_loop(lambda t, *_: t >= 0, body, loop)[2]


def write_step(times: Tensor, t: Tensor, tensor: Tensor, buffer: Tensor) -> Tensor:
    """`buffer` `(B, T, K)` with `tensor` `(B, K)` in step `t`; `times` is `arange(T)`."""
    here = ops.reshape(ops.equal(times, t), (1, -1, 1))
    return ops.where(here, ops.expand_dims(tensor, 1), buffer)
