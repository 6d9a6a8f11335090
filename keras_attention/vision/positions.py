"""Mean and maximum over the positions of a feature map that are not masked."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_attention._core.checks import check_rank, check_shape, score_dtype
from keras_attention._core.memory import flatten_positions
from keras_attention._core.types import Tensor


def check_features_and_mask(features: Tensor, mask: Tensor | None) -> None:
    """Raises ValueError unless `features` is a feature map or regions and `mask` fits it."""
    meaning = "(batch, height, width, features) or (batch, positions, features)"
    check_rank("features", features, (3, 4), meaning)
    if mask is not None:
        check_shape("mask", mask, features.shape[:-1], "one boolean per position of features")


def mean_over_positions(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the unmasked positions; zero for an example whose positions are all masked.

    Args:
        features: `(B, H, W, D)` or `(B, S, D)`.
        mask: `(B, H, W)` or `(B, S)`, True for real positions, or None.

    Returns:
        `(B, D)`, in at least float32.
    """
    features, kept = _flat(features, mask)
    if kept is None:
        return ops.mean(features, axis=1)
    total = ops.sum(ops.where(kept, features, ops.zeros_like(features)), axis=1)
    return total / ops.maximum(ops.sum(ops.cast(kept, features.dtype), axis=1), 1.0)


def max_over_positions(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Maximum over the unmasked positions; arguments and result as in `mean_over_positions`."""
    features, kept = _flat(features, mask)
    if kept is None:
        return ops.max(features, axis=1)
    # The lowest finite number: the gradient through infinity can be NaN.
    lowest = float(np.finfo(keras.backend.standardize_dtype(features.dtype)).min)
    highest = ops.max(ops.where(kept, features, lowest), axis=1)
    return ops.where(ops.any(kept, axis=1), highest, 0.0)


def _flat(features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    features = flatten_positions(features)
    # On torch a tensor's dtype is no string.
    dtype = keras.backend.standardize_dtype(features.dtype)
    features = ops.cast(features, score_dtype(dtype))
    if mask is None:
        return features, None
    return features, ops.expand_dims(flatten_positions(ops.cast(mask, "bool"), trailing=0), -1)
