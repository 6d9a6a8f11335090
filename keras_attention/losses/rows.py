"""What the losses over attention weights share: which cells are real, and the mean over rows."""

import math

import keras
from keras import ops

from keras_attention._core.checks import check_rank, check_shape, score_dtype


def real_cells(weights, target_mask=None, source_mask=None):
    """Weights in at least float32 without what stands in the padding, and both masks as numbers.

    Args:
        weights: `(B, T, S)`, or over a feature map `(B, T, H, W)`.
        target_mask: `(B, T)`, True for real steps; or lengths `(B,)`; or None,
            where all are real.
        source_mask: `(B, S)` or `(B, H, W)`, True for real positions; or
            lengths `(B,)`; or None.

    Returns:
        Weights `(B, T, S)`, zero in the padding, steps `(B, T)` and positions
        `(B, S)`, 1 for real and 0 for padding, all in one dtype.
    """
    weights = ops.convert_to_tensor(weights)
    meaning = "(batch, steps, positions) or (batch, steps, height, width)"
    check_rank("weights", weights, (3, 4), meaning)
    dtype = score_dtype(keras.backend.standardize_dtype(weights.dtype))
    maps = weights.shape[2:]
    steps = _as_mask("target_mask", target_mask, weights.shape[:2])
    positions = _as_mask("source_mask", source_mask, (weights.shape[0], *maps))
    weights = flatten_last(weights, 2)
    size = ops.shape(weights)
    if positions is not None and len(positions.shape) == 3:
        positions = flatten_last(positions, 1)
    steps = _fitted(steps, size[0], size[1])
    positions = _fitted(positions, size[0], size[2])
    kept = ops.logical_and(ops.expand_dims(steps, 2), ops.expand_dims(positions, 1))
    weights = ops.cast(weights, dtype)
    # Zero times the NaN of some padding would still be NaN.
    weights = ops.where(kept, weights, ops.zeros((), dtype))
    return weights, ops.cast(steps, dtype), ops.cast(positions, dtype)


def flatten_last(tensor, axis):
    """Joins all axes from `axis` on."""
    if len(tensor.shape) == axis + 1:
        return tensor
    size = ops.shape(tensor)
    return ops.reshape(tensor, (*size[:axis], math.prod(size[axis:])))


def mean_over_rows(losses, steps, positions, sample_weight=None):
    """The mean of `(B,)` over the rows that have a real step and a real position, 0 without any.

    A row that is padding altogether thus changes nothing, as no padding does.
    """
    counted = ops.max(steps, axis=1) * ops.max(positions, axis=1)
    if sample_weight is not None:
        check_shape("sample_weight", sample_weight, losses.shape, "one weight a row")
        counted = counted * ops.cast(sample_weight, counted.dtype)
    return ops.divide_no_nan(ops.sum(losses * counted), ops.sum(counted))


def mean_over_steps(losses, steps):
    """The mean of `(B, T)` over the real steps, `(B,)`; 0 in a row that has none."""
    return ops.sum(losses * steps, axis=1) / ops.maximum(ops.sum(steps, axis=1), 1.0)


def safe_log(numbers, given_dtype):
    """The logarithm of numbers from 0 on, at least log 1e-30, with a gradient that stays finite.

    Below 1e-30 the gradient is 0. What came in float16 gets its gradient in
    float16: there it is 1e4 for all numbers below 1e-4.
    """
    exact = ops.log(ops.maximum(numbers, 1e-30))
    if keras.backend.standardize_dtype(given_dtype) != "float16":
        return exact
    bounded = ops.where(numbers > 1e-4, ops.log(ops.maximum(numbers, 1e-4)), 1e4 * numbers)
    return bounded + ops.stop_gradient(exact - bounded)


def _as_mask(name, mask, sizes):
    """Checked, and lengths left as they are."""
    if mask is None:
        return None
    mask = ops.convert_to_tensor(mask)
    if len(mask.shape) == 1:
        check_shape(name, mask, sizes[:1], "one length a row")
        if "int" not in keras.backend.standardize_dtype(mask.dtype):
            raise ValueError(
                f"{name}: expected integers where it holds one length a row, received dtype "
                f"{keras.backend.standardize_dtype(mask.dtype)}."
            )
        return mask
    check_shape(name, mask, sizes, "one boolean a step" if "target" in name else "one a position")
    return ops.cast(mask, "bool")


def _fitted(mask, batch, length):
    """`(B, length)` booleans from a mask, lengths or None."""
    if mask is None:
        return ops.ones((batch, length), dtype="bool")
    if len(mask.shape) == 2:
        return mask
    return ops.expand_dims(ops.arange(length), 0) < ops.expand_dims(ops.cast(mask, "int32"), 1)
