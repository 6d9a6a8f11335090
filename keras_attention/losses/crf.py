"""The loss of conditional random fields."""

from __future__ import annotations

import keras

from keras_attention._core.checks import check_shape
from keras_attention._core.linear_chain import crf_log_likelihood
from keras_attention._core.types import DType, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class CRFLoss(keras.losses.Loss):
    """Minus the log-likelihood of the tags of a sequence, of a `keras_attention.layers.CRF`.

        loss = log Z - score(tags)

    Masked positions are known from the potentials, so labels there have no
    effect. A label below 0 allows every tag: the likelihood is then that of all
    sequences which agree with the other labels (Tsuboi et al., 2008), so that
    sequences may be labelled in part.

    Args:
        reduction, name, dtype: see `keras.losses.Loss`. By default the loss is
            the mean over the examples of their sums over positions.

    Call arguments:
        y_true: ids of tags `(B, T)`.
        y_pred: log-potentials `(B, T, N, N)`, the outputs of `CRF`.
        sample_weight: `(B,)` or None.

    Returns:
        A scalar, in nats per sequence; with `reduction=None` `(B,)`.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import CRF
    >>> from keras_attention.losses import CRFLoss
    >>> potentials = CRF(4)(np.zeros((1, 3, 4), "float32"))
    >>> round(float(CRFLoss()(np.array([[3, 0, 1]]), potentials)), 4)
    4.1589
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "crf_loss",
        dtype: DType | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_shape("y_true", y_true, y_pred.shape[:2], "one tag per position of y_pred")
        return -crf_log_likelihood(y_pred, y_true)
