"""Masks of attention weights, and means over what is not masked."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_attention._core.checks import check_rank, check_shape, score_dtype
from keras_attention._core.masks import lengths_to_mask, zero_weights_where_masked
from keras_attention._core.types import DType, Shape, Tensor


def masked_weights(
    weights: Tensor, target_mask: Tensor | None = None, source_mask: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights in at least float32, zero where masked, and both masks as numbers.

    Args:
        weights: `(B, T, S)`, or over a feature map `(B, T, H, W)`.
        target_mask: `(B, T)`, True for real steps; or lengths `(B,)`; or None if
            all are real.
        source_mask: `(B, S)` or `(B, H, W)`, True for real positions; or lengths
            `(B,)`; or None.

    Returns:
        Weights `(B, T, S)`, steps `(B, T)` and positions `(B, S)`, the last two
        1 where real and 0 where masked, all of one dtype.
    """
    weights = ops.convert_to_tensor(weights)
    meaning = "(batch, steps, positions) or (batch, steps, height, width)"
    check_rank("weights", weights, (3, 4), meaning)
    dtype = score_dtype(keras.backend.standardize_dtype(weights.dtype))
    maps = weights.shape[2:]
    steps = _checked_mask("target_mask", target_mask, weights.shape[:2])
    positions = _checked_mask("source_mask", source_mask, (weights.shape[0], *maps))
    weights = flatten_from(weights, 2)
    size = ops.shape(weights)
    if positions is not None and len(positions.shape) == 3:
        positions = flatten_from(positions, 1)
    steps = _full_mask(steps, size[0], size[1])
    positions = _full_mask(positions, size[0], size[2])
    both = ops.logical_and(ops.expand_dims(steps, 2), ops.expand_dims(positions, 1))
    weights = zero_weights_where_masked(both, ops.cast(weights, dtype))
    return weights, ops.cast(steps, dtype), ops.cast(positions, dtype)


def flatten_from(tensor: Tensor, axis: int) -> Tensor:
    """Joins all axes from `axis` on."""
    if len(tensor.shape) == axis + 1:
        return tensor
    size = ops.shape(tensor)
    return ops.reshape(tensor, (*size[:axis], math.prod(size[axis:])))


def mean_over_examples(
    losses: Tensor, steps: Tensor, positions: Tensor, sample_weight: Tensor | None = None
) -> Tensor:
    """The mean of `(B,)` over the examples with a real step and a real position; 0 without any.

    An example that is all padding changes nothing, like any other padding.
    """
    weight = ops.max(steps, axis=1) * ops.max(positions, axis=1)
    if sample_weight is not None:
        check_shape("sample_weight", sample_weight, losses.shape, "one weight per example")
        weight = weight * ops.cast(sample_weight, weight.dtype)
    return ops.divide_no_nan(ops.sum(losses * weight), ops.sum(weight))


def mean_over_steps(losses: Tensor, steps: Tensor) -> Tensor:
    """The mean of `(B, T)` over the real steps, `(B,)`; 0 in an example without any."""
    return ops.sum(losses * steps, axis=1) / ops.maximum(ops.sum(steps, axis=1), 1.0)


def safe_log(numbers: Tensor, given_dtype: DType) -> Tensor:
    """The logarithm of numbers from 0 on, at least log 1e-30, with a finite gradient.

    Below 1e-30 the gradient is 0. Numbers that were given in float16 get a
    gradient that fits float16: 1e4 for all numbers below 1e-4.
    """
    exact = ops.log(ops.maximum(numbers, 1e-30))
    if keras.backend.standardize_dtype(given_dtype) != "float16":
        return exact
    bounded = ops.where(numbers > 1e-4, ops.log(ops.maximum(numbers, 1e-4)), 1e4 * numbers)
    return bounded + ops.stop_gradient(exact - bounded)


def _checked_mask(name: str, mask: Tensor | None, shape: Shape) -> Tensor | None:
    """`mask` as booleans of `shape`; lengths stay lengths, None stays None."""
    if mask is None:
        return None
    mask = ops.convert_to_tensor(mask)
    if len(mask.shape) == 1:
        check_shape(name, mask, shape[:1], "one length per example")
        dtype = keras.backend.standardize_dtype(mask.dtype)
        if "int" not in dtype:
            raise ValueError(
                f"{name}: expected integers where it holds one length per example, received dtype "
                f"{dtype}."
            )
        return mask
    unit = "step" if "target" in name else "position"
    check_shape(name, mask, shape, f"one boolean per {unit}")
    return ops.cast(mask, "bool")


def _full_mask(mask: Tensor | None, batch: int | Tensor, size: int | Tensor) -> Tensor:
    """`(batch, size)` booleans from a mask, lengths or None."""
    if mask is None:
        return ops.ones((batch, size), dtype="bool")
    return mask if len(mask.shape) == 2 else lengths_to_mask(mask, size)
