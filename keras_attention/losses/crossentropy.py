"""Cross-entropy over sequences of ids."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention._core.backend.replicas import mean_over_replicas
from keras_attention._core.checks import check_id, check_rate, check_shape, score_dtype
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.types import Config, DType, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class SequenceCrossentropy(keras.losses.Loss):
    """Cross-entropy per token: the mean of `-log p(label)` over all labels that are not padding.

    Padding is known from the labels alone. A mask that Keras attached to the
    logits is not needed, and does not act a second time. With label smoothing e
    the target is `1 - e` on the label plus `e / V` on every id. Logits where
    the label is padding, or where the sample weight is, have no effect on the loss or
    its gradient, even if they are NaN or infinite.

    With several replicas (`tf.distribute.MirroredStrategy`) the mean is over
    the tokens of all replicas, however unevenly they are spread.

    Source of the smoothing: Szegedy et al., "Rethinking the Inception
    Architecture for Computer Vision", 2016.

    Args:
        label_smoothing: from 0 to below 1.
        name, dtype: see `keras.losses.Loss`.
        pad_id: the id of padding, such as `model.special_ids.pad`.

    Call arguments:
        y_true: ids `(B, T)`, padded.
        y_pred: logits `(B, T, V)`.
        sample_weight: `(B,)`, `(B, T)` or None.

    Returns:
        A scalar, in nats per token.

    Raises:
        ValueError: if `label_smoothing` is not in [0, 1), or `y_true` does not
            have the shape of `y_pred` without its last axis.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import SequenceCrossentropy
    >>> loss = SequenceCrossentropy()
    >>> round(float(loss(np.array([[3, 2, 0]]), np.zeros((1, 3, 8), "float32"))), 4)
    2.0794
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        name: str = "sequence_crossentropy",
        dtype: DType | None = None,
        pad_id: int = 0,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.pad_id = check_id("pad_id", pad_id)
        self.label_smoothing = check_rate("label_smoothing", label_smoothing)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return token_crossentropy(y_true, y_pred, self.label_smoothing)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        _check_labels(y_true, y_pred)
        y_pred = ops.cast(y_pred, score_dtype(keras.backend.standardize_dtype(y_pred.dtype)))
        weights = ops.cast(ops.not_equal(y_true, self.pad_id), y_pred.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, weights.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = ops.expand_dims(sample_weight, -1)
            weights = weights * sample_weight
        losses = self.call(y_true, zero_where_masked(ops.not_equal(weights, 0), y_pred))
        return mean_over_replicas(ops.sum(losses * weights), ops.sum(weights))

    def get_config(self) -> Config:
        return {
            "name": self.name,
            "label_smoothing": self.label_smoothing,
            "pad_id": self.pad_id,
        }


def token_crossentropy(labels: Tensor, logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """`-log p(label)` of every token, `(..., V)` logits to `(...)`, in at least float32.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import token_crossentropy
    >>> token_crossentropy(np.array([[1, 0]]), np.zeros((1, 2, 2))).numpy().round(4)
    array([[0.6931, 0.6931]])
    """
    labels, logits = ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)
    _check_labels(labels, logits)
    labels = ops.cast(labels, "int32")
    logits = ops.cast(logits, score_dtype(keras.backend.standardize_dtype(logits.dtype)))
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    if not label_smoothing:
        return losses
    uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
    return (1 - label_smoothing) * losses + label_smoothing * uniform


def _check_labels(labels: Tensor, logits: Tensor) -> None:
    # Labels (B, T, 1) would broadcast against losses (B, T) to (B, T, T).
    check_shape("y_true", labels, logits.shape[:-1], "one id per position of y_pred")
