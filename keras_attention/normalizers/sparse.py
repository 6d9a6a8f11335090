"""Normalizers whose weights are sparse: sparsemax and 1.5-entmax."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention._core.masks import combine_masks, masked_max, zero_weights_where_masked
from keras_attention._core.types import Config, Tensor
from keras_attention.normalizers.base import Normalizer


@keras.saving.register_keras_serializable(package="keras_attention")
class Sparsemax(Normalizer):
    """The projection of the scores onto the simplex: `w_j = max(s_j - tau, 0)`.

    The threshold tau makes the weights sum to 1; most are exactly 0. It is
    found by a full sort, whose shape does not depend on the data, so that it
    can be exported.

    Source: Martins and Astudillo, "From Softmax to Sparsemax: A Sparse Model
    of Attention and Multi-Label Classification", 2016.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.sparse import Sparsemax
    >>> Sparsemax()(np.array([[[1.0, 0.5, -1.0]]], "float32")).numpy().tolist()
    [[[0.75, 0.25, 0.0]]]
    """

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        z = _below_top(scores, mask)
        ordered, rank = _descending(z)
        sums = ops.cumsum(ordered, axis=-1)
        support = ops.cast(1 + rank * ordered > sums, z.dtype)
        size = ops.sum(support, axis=-1, keepdims=True)
        threshold = (ops.sum(support * ordered, axis=-1, keepdims=True) - 1) / size
        # The threshold again, as a function of the scores: no gradient flows through the sort.
        inside = ops.cast(z > threshold, z.dtype)
        total, size = (ops.sum(x, axis=-1, keepdims=True) for x in (inside * z, inside))
        return zero_weights_where_masked(mask, ops.relu(z - (total - 1) / size))

    def get_config(self) -> Config:
        # Keras' automatic config of arguments cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Entmax15(Normalizer):
    """1.5-entmax, between softmax and sparsemax: `w_j = max(s_j / 2 - tau, 0)^2`.

    The threshold tau makes the weights sum to 1; low scores get exactly 0. It
    is found by a full sort, whose shape does not depend on the data, so that it
    can be exported.

    Source: Peters, Niculae and Martins, "Sparse Sequence-to-Sequence Models",
    2019.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.sparse import Entmax15
    >>> Entmax15()(np.array([[[3.0, 3.0, -1.0]]], "float32")).numpy().round(4).tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        z = _below_top(scores / 2, mask)
        ordered, rank = _descending(z)
        mean = ops.cumsum(ordered, axis=-1) / rank
        variance = ops.cumsum(ops.square(ordered), axis=-1) / rank - ops.square(mean)
        # The threshold if exactly the first `rank` scores were the support.
        thresholds = mean - ops.sqrt(ops.relu(1 / rank - variance))
        size = ops.sum(ops.cast(thresholds <= ordered, z.dtype), axis=-1, keepdims=True)
        threshold = ops.sum(ops.where(rank == size, thresholds, 0.0), axis=-1, keepdims=True)
        # No gradient flows through the sort or through square roots, which have none at zero.
        # Instead, two steps of Newton's method for `sum_j w_j = 1` make the threshold a function
        # of the scores. Its value stays; its derivatives are exact up to order 1 after one step
        # and up to order 3 after two.
        threshold = ops.stop_gradient(threshold)
        for _ in range(2):
            root = ops.relu(z - threshold)
            excess = ops.sum(ops.square(root), axis=-1, keepdims=True) - 1
            threshold = threshold + excess / (2 * ops.sum(root, axis=-1, keepdims=True))
        return zero_weights_where_masked(mask, ops.square(ops.relu(z - threshold)))

    def get_config(self) -> Config:
        # Keras' automatic config of arguments cannot hold a dtype policy.
        return {**super().get_config()}


def _below_top(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Scores minus the highest one; -2 where that is -1 or less, or the mask is False.

    Such scores get no weight. They are all set to -2 so that their squares stay small.
    """
    scores = scores - ops.stop_gradient(masked_max(scores, mask))
    return ops.where(combine_masks(scores > -1, mask), scores, -2.0)


def _descending(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted from high to low, and the ranks 1, 2, ..."""
    ordered = -ops.sort(-ops.stop_gradient(scores), axis=-1)
    return ordered, ops.cumsum(ops.ones_like(ordered), axis=-1)
