"""Softmax, log-softmax and argmax over the unmasked positions."""

from keras import ops


def _softmax(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    top = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    powers = ops.exp(scores - top)
    if mask is not None:
        powers = ops.where(mask, powers, 0.0)
    # A sum is 0 where the whole row is masked, and at least exp(0) = 1 elsewhere.
    return powers / ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 0.5)


def _log_softmax(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    return scores - ops.logsumexp(scores, axis=-1, keepdims=True)


def _one_hot_of_highest(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    highest = ops.cast(scores == ops.max(scores, axis=-1, keepdims=True), scores.dtype)
    # The first of equals, without argmax: that of Keras does not convert to ONNX.
    first = highest * ops.cast(ops.cumsum(highest, axis=-1) == 1, scores.dtype)
    return _zero_where_masked(mask, first)


def _zero_where_masked(mask, weights):
    return weights if mask is None else ops.where(mask, weights, ops.zeros_like(weights))
