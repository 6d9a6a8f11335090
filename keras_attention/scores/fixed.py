"""The score that compares nothing: a baseline without attention."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention._core.types import Structure, Tensor
from keras_attention.scores.base import Score


@keras.saving.register_keras_serializable(package="keras_attention")
class FixedContext(Score):
    """The score 0 for every pair, so that the context is the mean of the values.

        score(query, key) = 0

    A baseline: the model has all of its weights and the same context at every
    step. What attention gains is measured against it.

    Source: the fixed-length context of Sutskever, Vinyals and Le, "Sequence to
    Sequence Learning with Neural Networks", 2014; there the last state, here
    the mean.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.fixed import FixedContext
    >>> tuple(FixedContext()(np.ones((1, 2, 4)), np.ones((1, 3, 4))).shape)
    (1, 2, 3)
    """

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        # A product, so that the layers before it have gradients, of zero.
        return 0.0 * query[:, :, :1] * ops.transpose(keys[:, :, :1], (0, 2, 1))
