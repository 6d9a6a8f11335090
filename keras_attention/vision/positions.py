"""Sums and maxima over the real positions of a feature map."""

from keras import ops

from keras_attention._core.checks import check_rank, check_shape, score_dtype
from keras_attention._core.memory import flatten_positions


def check_features_and_mask(features, mask):
    """Refuses what is neither a feature map nor a list of regions, and masks of other ones."""
    meaning = "(batch, height, width, features) or (batch, positions, features)"
    check_rank("features", features, (3, 4), meaning)
    if mask is not None:
        check_shape("mask", mask, features.shape[:-1], "one boolean a position of features")


def mean_over_positions(features, mask=None):
    """The mean feature `(B, D)` of `(B, H, W, D)` or `(B, S, D)`, zero where all is masked.

    In at least float32, in which it is returned.
    """
    features, kept = _flat(features, mask)
    if kept is None:
        return ops.mean(features, axis=1)
    total = ops.sum(ops.where(kept, features, 0.0), axis=1)
    return total / ops.maximum(ops.sum(ops.cast(kept, features.dtype), axis=1), 1.0)


def max_over_positions(features, mask=None):
    """As `mean_over_positions`, with the largest number of every feature."""
    features, kept = _flat(features, mask)
    if kept is None:
        return ops.max(features, axis=1)
    # Not infinity, of which a gradient may make NaN; where all is masked there is no largest.
    highest = ops.max(ops.where(kept, features, -1e30), axis=1)
    return ops.where(ops.any(kept, axis=1), highest, 0.0)


def _flat(features, mask):
    features = flatten_positions(features)
    features = ops.cast(features, score_dtype(features.dtype))
    if mask is None:
        return features, None
    return features, ops.expand_dims(flatten_positions(ops.cast(mask, "bool"), trailing=0), -1)
