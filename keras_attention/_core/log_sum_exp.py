"""`log sum exp` of finite scores, by operations that every exported format has."""

from __future__ import annotations

from keras import ops

from keras_attention._core.types import Tensor


def log_sum_exp(scores: Tensor, axis: int = -1) -> Tensor:
    """`log sum_k exp(scores_k)` over an axis."""
    highest = ops.stop_gradient(ops.max(scores, axis=axis, keepdims=True))
    sums = ops.log(ops.sum(ops.exp(scores - highest), axis=axis))
    return sums + ops.squeeze(highest, axis)
