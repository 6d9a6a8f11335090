"""Boolean masks: True marks a real position, or a position that may be attended to."""

from __future__ import annotations

import keras
from keras import ops, tree

from keras_attention._core.types import Structure, Tensor

# The log-probability of what cannot be chosen. Finite, so that no gradient becomes NaN.
IMPOSSIBLE = -1e30

_LOWEST = {
    "float16": -65504.0,
    "bfloat16": -3.3895313892515355e38,
    "float32": -3.4028234663852886e38,
    "float64": -1.7976931348623157e308,
}


def combine_masks(*masks: Tensor | None) -> Tensor | None:
    """The logical and of all masks that are not None; they broadcast. None if all are None.

    Example:

    >>> import numpy as np
    >>> from keras_attention._core.masks import combine_masks
    >>> combine_masks(np.array([True, True]), None, np.array([True, False])).numpy().tolist()
    [True, False]
    """
    combined = None
    for mask in masks:
        if mask is not None:
            combined = mask if combined is None else ops.logical_and(combined, mask)
    return combined


def causal_mask(queries: int | Tensor, positions: int | Tensor) -> Tensor:
    """`(1, queries, positions)`: query i may attend to the positions up to i."""
    query = ops.expand_dims(ops.arange(queries), 1)
    return ops.expand_dims(query >= ops.expand_dims(ops.arange(positions), 0), 0)


def lengths_to_mask(lengths: Tensor, size: int | Tensor) -> Tensor:
    """`(B, size)` from lengths `(B,)`: True for the first `lengths[b]` positions."""
    return ops.expand_dims(ops.arange(size), 0) < ops.expand_dims(ops.cast(lengths, "int32"), 1)


def keep_where_masked(mask: Tensor | None, after: Structure, before: Structure) -> Structure:
    """The state `after` where `mask` `(B,)` is True, else the state `before`."""
    if mask is None:
        return after

    def keep(new: Tensor, old: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (len(new.shape) - 1)
        return ops.where(ops.reshape(mask, shape), new, old)

    return tree.map_structure(keep, after, before)


def zero_where_masked(mask: Tensor | None, x: Tensor) -> Tensor:
    """`x` `(..., D)` where `mask` `(...)` is True, else zeros.

    Selection, not a product: zero times the NaN or infinity of some padding would be NaN.
    """
    return x if mask is None else ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))


def zero_weights_where_masked(mask: Tensor | None, weights: Tensor) -> Tensor:
    """`weights` where `mask`, which broadcasts to them, is True, else zeros."""
    return weights if mask is None else ops.where(mask, weights, ops.zeros_like(weights))


def masked_max(scores: Tensor, mask: Tensor | None) -> Tensor:
    """The largest unmasked score `(..., 1)`; the dtype's lowest number where all are masked."""
    if mask is not None:
        # The lowest finite number: real scores could pass any other.
        scores = ops.where(mask, scores, _lowest(scores))
    return ops.max(scores, axis=-1, keepdims=True)


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the unmasked positions of the last axis; zeros where all are masked.

    Masked positions are selected away, whatever their scores are, so no score is too low.
    """
    shifted = scores - ops.stop_gradient(masked_max(scores, mask))
    if mask is not None:
        shifted = ops.where(mask, shifted, ops.zeros_like(shifted))
    powers = zero_weights_where_masked(mask, ops.exp(shifted))
    # The sum is 0 where all positions are masked, and at least exp(0) = 1 elsewhere.
    return powers / ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 0.5)


def masked_log_softmax(scores: Tensor, mask: Tensor | None, masked: float = IMPOSSIBLE) -> Tensor:
    """Log-softmax over the unmasked positions of the last axis.

    Args:
        scores: `(..., S)`.
        mask: booleans that broadcast to the scores, or None.
        masked: the result at masked positions, or the lowest number of the dtype if that is
            higher.
    """
    shifted = scores - ops.stop_gradient(masked_max(scores, mask))
    if mask is not None:
        shifted = ops.where(mask, shifted, ops.zeros_like(shifted))
    powers = zero_weights_where_masked(mask, ops.exp(shifted))
    log_p = shifted - ops.log(ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 0.5))
    masked = max(masked, _lowest(log_p))
    return log_p if mask is None else ops.where(mask, log_p, ops.full_like(log_p, masked))


def one_hot_of_highest(scores: Tensor, mask: Tensor | None) -> Tensor:
    """1 at the highest unmasked score of the last axis (the first of equals), 0 elsewhere."""
    highest = scores == masked_max(scores, mask)
    highest = ops.cast(combine_masks(highest, mask), scores.dtype)
    # The first of equals, without argmax: Keras' argmax does not convert to ONNX.
    return highest * ops.cast(ops.cumsum(highest, axis=-1) == 1, scores.dtype)


def _lowest(tensor: Tensor) -> float:
    """The lowest finite number of a tensor's dtype."""
    return _LOWEST[keras.backend.standardize_dtype(tensor.dtype)]
