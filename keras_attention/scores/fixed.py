"""The score that compares nothing: every position weighs alike."""

import keras
from keras import ops

from keras_attention.scores.base import Score


@keras.saving.register_keras_serializable(package="keras_attention")
class FixedContext(Score):
    """The score 0 everywhere, so that the context is the mean of the memory.

        score(query, key) = 0

    With it a model has all of its weights but no attention, which is what the
    gain of attention is measured against.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores.fixed import FixedContext
    >>> tuple(FixedContext()(np.ones((1, 2, 4)), np.ones((1, 3, 4))).shape)
    (1, 2, 3)
    """

    def compare(self, query, keys):
        return 0.0 * query[:, :, :1] * ops.transpose(keys[:, :, :1], (0, 2, 1))
