"""Normalizers that give some positions no weight at all: sparsemax and 1.5-entmax."""

import keras
from keras import ops

from keras_attention.normalizers.base import Normalizer
from keras_attention.normalizers.masked import _zero_where_masked


@keras.saving.register_keras_serializable(package="keras_attention")
class Sparsemax(Normalizer):
    """The projection of the scores onto the simplex: `w_j = max(s_j - tau, 0)`.

    The threshold tau makes the weights sum to 1; most are exactly 0. It is
    found by a full sort, whose shape depends on no data, so that it exports.

    Source: Martins and Astudillo, "From Softmax to Sparsemax: A Sparse Model
    of Attention and Multi-Label Classification", 2016.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.sparse import Sparsemax
    >>> Sparsemax()(np.array([[[1.0, 0.5, -1.0]]], "float32")).numpy().tolist()
    [[[0.75, 0.25, 0.0]]]
    """

    def call(self, scores, mask=None):
        z = _below_top(scores, mask)
        ordered, rank = _descending(z)
        sums = ops.cumsum(ordered, axis=-1)
        support = ops.cast(1 + rank * ordered > sums, z.dtype)
        size = ops.sum(support, axis=-1, keepdims=True)
        threshold = (ops.sum(support * ordered, axis=-1, keepdims=True) - 1) / size
        slopes = ops.cast(z > threshold, z.dtype)
        return _zero_where_masked(mask, ops.relu(z - _implicit(threshold, z, slopes)))

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Entmax15(Normalizer):
    """1.5-entmax, between softmax and sparsemax: `w_j = max(s_j / 2 - tau, 0)^2`.

    The threshold tau makes the weights sum to 1; low scores get exactly 0. It
    is found by a full sort, whose shape depends on no data, so that it
    exports.

    Source: Peters, Niculae and Martins, "Sparse Sequence-to-Sequence Models",
    2019.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.sparse import Entmax15
    >>> Entmax15()(np.array([[[3.0, 3.0, -1.0]]], "float32")).numpy().round(4).tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores, mask=None):
        z = _below_top(scores / 2, mask)
        ordered, rank = _descending(z)
        mean = ops.cumsum(ordered, axis=-1) / rank
        variance = ops.cumsum(ops.square(ordered), axis=-1) / rank - ops.square(mean)
        # The threshold if exactly the first `rank` scores were the support.
        thresholds = mean - ops.sqrt(ops.relu(1 / rank - variance))
        size = ops.sum(ops.cast(thresholds <= ordered, z.dtype), axis=-1, keepdims=True)
        threshold = ops.sum(ops.where(rank == size, thresholds, 0.0), axis=-1, keepdims=True)
        root = ops.relu(z - _implicit(threshold, z, ops.relu(z - threshold)))
        return _zero_where_masked(mask, ops.square(root))

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


def _below_top(scores, mask):
    """Scores less their maximum. Those lower by 1 or more, and masked ones, get no weight: -2.

    Whatever they are, so that their squares stay small.
    """
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    scores = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    return ops.where(scores > -1, scores, -2.0)


def _descending(scores):
    """Sorted from high to low, and the ranks 1, 2, ..."""
    ordered = -ops.sort(-ops.stop_gradient(scores), axis=-1)
    return ordered, ops.cumsum(ops.ones_like(ordered), axis=-1)


def _implicit(threshold, scores, slopes):
    """`threshold`, with the gradient that keeps the sum of the weights where it is.

    From `sum_j f(s_j - tau) = 1` follows `d tau = sum_j f'_j d s_j / sum_j f'_j`: no gradient of
    the sort, nor of a square root at zero, is needed.
    """
    slopes = ops.stop_gradient(slopes)
    shares = slopes / ops.sum(slopes, axis=-1, keepdims=True)
    change = ops.sum(shares * (scores - ops.stop_gradient(scores)), axis=-1, keepdims=True)
    return ops.stop_gradient(threshold) + change
