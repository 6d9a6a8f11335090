"""tfa's `sequence_loss` and `SequenceLoss`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import keras
from keras import ops

from keras_attention._core.backend.replicas import share_of_replica
from keras_attention._core.checks import (
    check_flag,
    check_rank,
    check_shape,
    score_dtype,
)
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.types import Config, DType, Tensor
from keras_attention.losses.crossentropy import token_crossentropy

# A function `f(labels=, logits=)` of flattened targets and logits.
LossFunction: TypeAlias = Callable[..., Tensor]


def sequence_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: LossFunction | None = None,
) -> Tensor:
    """Weighted cross-entropy per token, reduced as `tfa.seq2seq.sequence_loss` does.

    With c the cross-entropies `(B, T)` and w the weights, over the chosen axes:

        average_across_*    sum(w * c) / sum(w)
        sum_over_*          sum(w * c) / number of w that are not 0

    Where a denominator is 0 the loss is 0. An axis with neither is kept. Logits
    of weight 0 have no effect, even if they are NaN.

    Source: TensorFlow Addons 0.23, `tfa.seq2seq.sequence_loss`.

    Args:
        logits: `(B, T, V)`.
        targets: ids `(B, T)`, or distributions `(B, T, V)`.
        weights: `(B, T)`, 0 for padding.
        average_across_timesteps, average_across_batch, sum_over_timesteps,
            sum_over_batch: see above; if both axes are reduced, both in the
            same way.
        softmax_loss_function: a function `f(labels=, logits=)` of the flattened
            targets `(B*T,)` or `(B*T, V)` and logits `(B*T, V)`, which returns
            `(B*T,)`; by default the cross-entropy.

    Returns:
        A scalar, `(B,)`, `(T,)` or `(B, T)`, in at least float32.

    Raises:
        ValueError: for shapes that do not fit, and reductions that exclude each
            other.

    Example:

    >>> import numpy as np
    >>> from keras_attention.tfa import sequence_loss
    >>> logits, targets = np.zeros((2, 2, 8), "float32"), np.array([[3, 2], [5, 0]])
    >>> weights = np.array([[2.0, 1.0], [1.0, 0.0]], "float32")
    >>> round(float(sequence_loss(logits, targets, weights)), 4)
    2.0794
    >>> tuple(sequence_loss(logits, targets, weights, average_across_batch=False).shape)
    (2,)
    """
    averaged = _axes("average_across", average_across_timesteps, average_across_batch)
    counted = _axes("sum_over", sum_over_timesteps, sum_over_batch)
    _check_reduction(averaged, counted)
    logits, targets = ops.convert_to_tensor(logits), ops.convert_to_tensor(targets)
    check_rank("logits", logits, (3,), "(batch, length, vocabulary)")
    check_rank("targets", targets, (2, 3), "ids (batch, length) or one-hot as the logits")
    meaning = "one target per position of logits"
    check_shape("targets", targets, logits.shape[: len(targets.shape)], meaning)
    check_shape("weights", weights, logits.shape[:2], "one weight per position of logits")
    dtype = score_dtype(keras.backend.standardize_dtype(logits.dtype))
    weights = ops.cast(weights, dtype)
    real = ops.not_equal(weights, 0)
    logits = zero_where_masked(real, ops.cast(logits, dtype))
    function = softmax_loss_function or _crossentropy
    size = ops.shape(logits)
    flat = (-1, *size[2 : len(targets.shape)])
    losses = function(labels=ops.reshape(targets, flat), logits=ops.reshape(logits, (-1, size[2])))
    losses = weights * ops.reshape(ops.cast(losses, dtype), size[:2])
    axes = averaged or counted
    if not axes:
        return losses
    share = weights if averaged else ops.cast(real, dtype)
    return ops.divide_no_nan(ops.sum(losses, axis=axes), ops.sum(share, axis=axes))


def _axes(kind: str, timesteps: bool, batch: bool) -> tuple[int, ...]:
    check_flag(f"{kind}_timesteps", timesteps)
    check_flag(f"{kind}_batch", batch)
    return tuple(axis for axis, reduced in ((0, batch), (1, timesteps)) if reduced)


def _check_reduction(averaged: tuple[int, ...], counted: tuple[int, ...]) -> None:
    if averaged and counted:

        def named(kind: str, axes: tuple[int, ...]) -> str:
            return " and ".join(kind + ("batch", "timesteps")[axis] for axis in axes)

        raise ValueError(
            "average_across_* and sum_over_*: expected only one of the two kinds to be True, since "
            f"the result would depend on their order, received "
            f"{named('average_across_', averaged)} with {named('sum_over_', counted)}."
        )


def _crossentropy(labels: Tensor, logits: Tensor) -> Tensor:
    if len(labels.shape) == 1:
        return token_crossentropy(labels, logits)
    return keras.losses.categorical_crossentropy(
        ops.cast(labels, logits.dtype), logits, from_logits=True
    )


@keras.saving.register_keras_serializable(package="keras_attention")
class SequenceLoss(keras.losses.Loss):
    """`sequence_loss` as a Keras loss, with the defaults of `tfa.seq2seq.SequenceLoss`.

    These defaults are the sum of the weighted cross-entropies, divided by the
    number of weights that are not 0.

    Source: TensorFlow Addons 0.23, `tfa.seq2seq.SequenceLoss`.

    Args:
        average_across_timesteps, average_across_batch, sum_over_timesteps,
            sum_over_batch, softmax_loss_function: see `sequence_loss`; a
            function that is to be saved must be registered with Keras.
        name, dtype: see `keras.losses.Loss`.

    Call arguments:
        y_true: ids `(B, T)`, or distributions `(B, T, V)`.
        y_pred: logits `(B, T, V)`.
        sample_weight: `(B, T)`, 0 for padding. tfa requires it. Here ids of 0
            are padding if it is None or `(B,)`.

    Returns:
        What `sequence_loss` returns.

    Raises:
        ValueError: for reductions that exclude each other, shapes that do not
            fit, and one-hot targets without weights `(B, T)`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.tfa import SequenceLoss
    >>> loss, weights = SequenceLoss(), np.array([[2.0, 0.0]], "float32")
    >>> round(float(loss(np.array([[3, 2]]), np.zeros((1, 2, 8), "float32"), weights)), 4)
    4.1589
    """

    def __init__(
        self,
        average_across_timesteps: bool = False,
        average_across_batch: bool = False,
        sum_over_timesteps: bool = True,
        sum_over_batch: bool = True,
        softmax_loss_function: LossFunction | Config | None = None,
        name: str = "sequence_loss",
        dtype: DType | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        _check_reduction(
            _axes("average_across", average_across_timesteps, average_across_batch),
            _axes("sum_over", sum_over_timesteps, sum_over_batch),
        )
        self.average_across_timesteps = average_across_timesteps
        self.average_across_batch = average_across_batch
        self.sum_over_timesteps = sum_over_timesteps
        self.sum_over_batch = sum_over_batch
        self.softmax_loss_function: LossFunction | None
        if isinstance(softmax_loss_function, dict):
            function = keras.saving.deserialize_keras_object(softmax_loss_function)
            self.softmax_loss_function = function
        else:
            self.softmax_loss_function = softmax_loss_function

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        y_pred = ops.convert_to_tensor(y_pred)
        loss = sequence_loss(
            y_pred,
            y_true,
            _token_weights(y_true, y_pred, sample_weight),
            self.average_across_timesteps,
            self.average_across_batch,
            self.sum_over_timesteps,
            self.sum_over_batch,
            self.softmax_loss_function,
        )
        return share_of_replica(loss)

    def get_config(self) -> Config:
        function = self.softmax_loss_function
        return {
            "name": self.name,
            "average_across_timesteps": self.average_across_timesteps,
            "average_across_batch": self.average_across_batch,
            "sum_over_timesteps": self.sum_over_timesteps,
            "sum_over_batch": self.sum_over_batch,
            "softmax_loss_function": function and keras.saving.serialize_keras_object(function),
        }


def _token_weights(targets: Tensor, logits: Tensor, sample_weight: Tensor | None) -> Tensor:
    """Weights `(B, T)`, also where Keras gives `(B,)` or None."""
    if sample_weight is not None and len(sample_weight.shape) == 2:
        return sample_weight
    if len(targets.shape) != 2:
        raise ValueError(
            "sample_weight: expected shape (batch, length), since only targets that are ids show "
            "what is padding, received "
            + ("None." if sample_weight is None else f"shape {tuple(sample_weight.shape)}.")
        )
    real = ops.cast(ops.not_equal(ops.convert_to_tensor(targets), 0), "float32")
    if sample_weight is None:
        return real
    return real * ops.expand_dims(ops.cast(sample_weight, real.dtype), -1)
