"""Losses over sequences of ids: a cross-entropy a token, and how it is reduced."""

import keras
from keras import ops

from keras_attention._core.backend.replicas import mean_over_replicas
from keras_attention._core.checks import (
    check_rate,
    check_shape,
    score_dtype,
)


@keras.saving.register_keras_serializable(package="keras_attention")
class SequenceCrossentropy(keras.losses.Loss):
    """Cross-entropy a token: the mean of `-log p(label)` over all labels that are not 0.

    The labels alone say what is padding, so a mask that Keras attached to the
    logits neither is needed nor acts a second time. With label smoothing e the
    target is `1 - e` on the label and `e / V` on every id.

    Source of the smoothing: Szegedy et al., "Rethinking the Inception
    Architecture for Computer Vision", 2016.

    Args:
        label_smoothing: from 0 to below 1.
        name, dtype: of `keras.losses.Loss`.

    Call arguments:
        y_true: ids `(B, T)`, 0 for padding.
        y_pred: logits `(B, T, V)`.
        sample_weight: `(B,)`, `(B, T)` or None.

    Returns:
        A scalar, in natural-logarithm units (nats) a token.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import SequenceCrossentropy
    >>> loss = SequenceCrossentropy()
    >>> round(float(loss(np.array([[3, 2, 0]]), np.zeros((1, 3, 8), "float32"))), 4)
    2.0794
    """

    def __init__(self, label_smoothing=0.0, name="sequence_crossentropy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        check_rate("label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        return token_crossentropy(y_true, y_pred, self.label_smoothing)

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        _check_labels(y_true, y_pred)
        real = ops.not_equal(y_true, 0)
        losses = self.call(y_true, y_pred)
        weights = ops.cast(real, losses.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, losses.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = ops.expand_dims(sample_weight, -1)
            weights = weights * sample_weight
        return mean_over_replicas(ops.sum(losses * weights), ops.sum(weights))

    def get_config(self):
        return {"name": self.name, "label_smoothing": self.label_smoothing}


def token_crossentropy(labels, logits, label_smoothing=0.0):
    """`-log p(label)` of every token, `(B, T)`, in at least float32."""
    _check_labels(labels, logits)
    labels = ops.cast(labels, "int32")
    logits = ops.cast(logits, score_dtype(keras.backend.standardize_dtype(logits.dtype)))
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    if not label_smoothing:
        return losses
    uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
    return (1 - label_smoothing) * losses + label_smoothing * uniform


def _check_labels(labels, logits):
    # Labels (B, T, 1) would broadcast against (B, T) to something else altogether.
    check_shape("y_true", labels, logits.shape[:-1], "one id a position of y_pred")
