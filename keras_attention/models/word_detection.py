"""WordDetection: a loss by which a feature map learns the words of its caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from keras_attention._core.checks import check_positive
from keras_attention.text.special_ids import UNKNOWN

if TYPE_CHECKING:
    pass


@keras.saving.register_keras_serializable(package="keras_attention")
class WordDetection(layers.Layer):
    """The loss of detecting, somewhere in a feature map, the words of its caption.

        p_jv = sigmoid(w_v a_j + b_v)                   word v at place j
        p_v  = 1 - prod_j (1 - p_jv)                    anywhere: noisy or
        loss = -sum_{v said} log p_v - sum_{others} log(1 - p_v)

    No place of a word is told; that many images share words teaches places to
    detect them.

    Source: Fang et al., "From Captions to Visual Concepts and Back", 2015.

    Args:
        vocabulary_size: how many words, the four special ids included.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, h, w, D)`.
        target: ids `(B, T)`.

    Returns:
        A scalar, the mean over the images, in nats.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import WordDetection
    >>> loss = WordDetection(9)(np.zeros((2, 3, 3, 4)), np.array([[1, 5], [1, 6]]))
    >>> tuple(loss.shape)
    ()
    """

    def __init__(self, vocabulary_size, **kwargs):
        # In float32 under mixed precision, as all losses.
        super().__init__(**{"dtype": "float32", **kwargs})
        check_positive("vocabulary_size", vocabulary_size)
        self.vocabulary_size = vocabulary_size
        # At first nearly nothing is detected, or everything would be somewhere.
        rare = keras.initializers.Constant(-6.0)
        self.logits = layers.Dense(
            vocabulary_size, bias_initializer=rare, dtype=self.dtype_policy, name="logits"
        )

    def build(self, features_shape, target_shape=None):
        self.logits.build(features_shape)
        self.built = True

    def call(self, features, target):
        # -log(1 - p_v) is a sum over the places, and p_v is never quite 0.
        absence = ops.sum(ops.softplus(self.logits(features)), axis=(1, 2)) + 1e-6
        said = ops.max(ops.one_hot(target, self.vocabulary_size, dtype=absence.dtype), axis=1)
        losses = ops.where(said > 0, -ops.log(-ops.expm1(-absence)), absence)
        # Padding and start stand in every target and in no image.
        return ops.mean(ops.sum(losses[:, UNKNOWN:], axis=1))

    def compute_output_shape(self, features_shape, target_shape=None):
        return ()

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size}
