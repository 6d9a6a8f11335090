"""Pointer-generator: each token is generated or copied from the source."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.backend.gathers import scatter_add
from keras_attention._core.checks import (
    check_features,
    check_id,
    check_positive,
    check_rank,
    check_shape,
    check_size,
    score_dtype,
)
from keras_attention._core.masks import IMPOSSIBLE, zero_where_masked
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, Shape, Tensor
from keras_attention.layers.extended_vocabulary import within_vocabulary
from keras_attention.losses.masking import safe_log
from keras_attention.text.special_ids import PAD, UNKNOWN

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions

# The log-probability of an extended id that stands for no word of the source. Far above
# IMPOSSIBLE, so that the loss of such a label is finite and of ordinary size.
_ABSENT = math.log(1e-30)


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerGenerator(QuantizedParts):
    """One distribution over generated words and words copied from the source.

        p_gen = sigmoid(w . features + b)
        p(y)  = p_gen * softmax(logits)_y + (1 - p_gen) * sum_{j: source_ids_j = y} weights_j

    y runs over the V ids of the vocabulary, then over the extended ids, which
    stand for the out-of-vocabulary words of one source. A word that occurs
    several times in the source gets the sum of its weights. Padding of the
    source (id 0) gets no probability; if a source is all padding, `p_gen = 1`.

    The result is computed with logarithms throughout, from the logits on, so
    that no probability underflows. An extended id that stands for no word of
    the source gets about log 1e-30, which keeps a loss finite.

    Source: See, Liu and Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks", 2017. There, the features are the
    concatenation of the context, the decoder's state and its input.

    Args:
        extension: the number of ids beyond the vocabulary; larger source ids
            count as unknown (3). By default the length of the source, which is
            always enough.
        pad_id, unknown_id: the ids of padding and of unknown tokens.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, T, F)`, from which p_gen is computed; or one step
            `(B, F)`, with all other arguments without T likewise.
        logits: `(B, T, V)` over the vocabulary.
        weights: `(B, T, S)`, the attention weights over the source.
        source_ids: `(B, S)` extended ids of the source, padded.
        labels: `(B, T)` extended ids, or None. With them, only their
            log-probabilities are computed, for training with a fraction of the
            memory; labels beyond all ids count as unknown.
        return_p_gen: whether to return p_gen too.
        features_mask: `(B, T)`, True for real steps; the results of the others
            are finite, but meaningless. In the functional API Keras fills it
            in.

    Returns:
        Log-probabilities in at least float32, which may be used as logits:
        `(B, T, V + extension)`, or `(B, T)` of the labels; and on request p_gen
        `(B, T)`.

    Raises:
        ValueError: for ranks and sizes that do not fit, or if V is not known.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pointer_generator import PointerGenerator
    >>> features, logits = np.zeros((1, 1, 2)), np.zeros((1, 1, 5))
    >>> weights, source_ids = np.array([[[0.5, 0.3, 0.2]]]), np.array([[4, 5, 4]])
    >>> log_p = PointerGenerator(extension=1)(features, logits, weights, source_ids)
    >>> [round(float(p), 4) for p in np.exp(log_p)[0, 0]]
    [0.1, 0.1, 0.1, 0.1, 0.45, 0.15]
    """

    def __init__(
        self,
        extension: int | None = None,
        pad_id: int = PAD,
        unknown_id: int = UNKNOWN,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # Logits and weights are not cast down: half precision is too coarse for a vocabulary.
        super().__init__(**{"autocast": False, **kwargs})
        self.extension = None if extension is None else check_positive("extension", extension)
        self.pad_id = check_id("pad_id", pad_id)
        self.unknown_id = check_id("unknown_id", unknown_id)
        self._size: int | None = None
        self.supports_masking = True

    def build(
        self,
        features_shape: Shape,
        logits_shape: Shape | None = None,
        weights_shape: Shape | None = None,
        source_ids_shape: Shape | None = None,
        labels_shape: Shape | None = None,
    ) -> None:
        check_features(features=features_shape)
        self.gate = keras.layers.Dense(
            1, dtype=self.dtype_policy, trainable=self.trainable, name="gate"
        )
        self.gate.build(features_shape)
        self._size = features_shape[-1]
        self.built = True

    def call(
        self,
        features: Tensor,
        logits: Tensor,
        weights: Tensor,
        source_ids: Tensor,
        labels: Tensor | None = None,
        return_p_gen: bool = False,
        features_mask: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        features, logits, weights, source_ids = map(
            ops.convert_to_tensor, (features, logits, weights, source_ids)
        )
        self._check(features, logits, weights, source_ids, labels, features_mask)
        dtype = score_dtype(self.compute_dtype)
        given = weights.dtype
        logits, weights = ops.cast(logits, dtype), ops.cast(weights, dtype)
        if features_mask is not None:
            real = ops.cast(features_mask, "bool")
            features, logits, weights = (
                zero_where_masked(real, tensor) for tensor in (features, logits, weights)
            )
        single = len(features.shape) == 2
        if single:
            features, logits, weights = (
                ops.expand_dims(tensor, 1) for tensor in (features, logits, weights)
            )
            labels = None if labels is None else ops.expand_dims(labels, 1)

        vocabulary = logits.shape[-1]
        extension = self.extension or ops.shape(source_ids)[1]
        size, unknown = vocabulary + extension, self.unknown_id
        source_ids = within_vocabulary(ops.cast(source_ids, "int32"), size, unknown)
        present = source_ids != self.pad_id
        weights = ops.where(ops.expand_dims(present, 1), weights, ops.zeros((), dtype))

        z = ops.cast(self.gate(ops.cast(features, self.compute_dtype)), dtype)
        some = ops.reshape(ops.any(present, axis=1), (-1, 1, 1))
        generates = ops.where(some, ops.log_sigmoid(z), ops.zeros((), dtype))
        generated = generates + ops.log_softmax(logits, axis=-1)
        if labels is None:
            absent = ops.shape(generated)[:2]
            absent = generates + ops.full((*absent, extension), _ABSENT, dtype=dtype)
            generated = ops.concatenate([generated, absent], axis=-1)
            copied = _copied(weights, source_ids, size)
        else:
            labels = within_vocabulary(ops.cast(labels, "int32"), size, unknown)
            generated = _of_labels(generated, generates, labels)
            copied = ops.expand_dims(labels, -1) == ops.expand_dims(source_ids, 1)
            copied = ops.sum(ops.where(copied, weights, ops.zeros((), dtype)), -1, keepdims=True)
        copies = ops.log_sigmoid(-z) + safe_log(copied, given)
        log_p = _log_add(generated, ops.where(copied > 0, copies, IMPOSSIBLE))
        if labels is not None:
            log_p = ops.squeeze(log_p, -1)
        p_gen = ops.squeeze(ops.exp(generates), -1)
        if single:
            log_p, p_gen = ops.squeeze(log_p, 1), ops.squeeze(p_gen, 1)
        return (log_p, p_gen) if return_p_gen else log_p

    def _check(
        self,
        features: Tensor,
        logits: Tensor,
        weights: Tensor,
        source_ids: Tensor,
        labels: Tensor | None,
        features_mask: Tensor | None,
    ) -> None:
        check_rank("features", features, (2, 3), "(batch, length, features) or (batch, features)")
        steps = tuple(features.shape[:-1])
        for name, tensor in (("logits", logits), ("weights", weights)):
            check_rank(name, tensor, (len(features.shape),), "as many axes as features has")
            check_shape(name, tensor, (*steps, tensor.shape[-1]), "one vector per step of features")
        if logits.shape[-1] is None:
            raise ValueError(
                "logits: expected a known last size, from which on ids are extended ids, received "
                f"shape {tuple(logits.shape)}."
            )
        expected = (steps[0], weights.shape[-1])
        check_shape("source_ids", source_ids, expected, "one id per position of weights")
        if labels is not None:
            check_shape("labels", labels, steps, "one id per step of features")
        if features_mask is not None:
            check_shape("features_mask", features_mask, steps, "one boolean per step of features")
        if self.built:
            check_size("features", features, self._size)

    def compute_output_spec(
        self,
        features: Tensor,
        logits: Tensor,
        weights: Tensor,
        source_ids: Tensor,
        labels: Tensor | None = None,
        return_p_gen: bool = False,
        features_mask: Tensor | None = None,
    ) -> keras.KerasTensor | tuple[keras.KerasTensor, keras.KerasTensor]:
        self._check(features, logits, weights, source_ids, labels, features_mask)
        steps, dtype = tuple(features.shape[:-1]), score_dtype(self.compute_dtype)
        extension = self.extension or source_ids.shape[1]
        size = None if extension is None else logits.shape[-1] + extension
        log_p = keras.KerasTensor(steps if labels is not None else (*steps, size), dtype=dtype)
        return (log_p, keras.KerasTensor(steps, dtype=dtype)) if return_p_gen else log_p

    def compute_mask(self, features: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        # There is one output per step of the features, masked like it.
        return previous_mask

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "extension": self.extension,
            "pad_id": self.pad_id,
            "unknown_id": self.unknown_id,
        }


def _copied(weights: Tensor, source_ids: Tensor, size: int | Tensor) -> Tensor:
    """The sums of the weights `(B, T, S)` of each id, `(B, T, size)`."""
    batch, steps, positions = ops.shape(weights)
    rows = ops.expand_dims(ops.arange(batch, dtype="int32"), 1) + ops.zeros_like(source_ids)
    indices = ops.stack([ops.reshape(part, (-1,)) for part in (rows, source_ids)], axis=1)
    # With the steps last, the weights of an id are adjacent: one index per position, not weight.
    values = ops.reshape(ops.transpose(weights, (0, 2, 1)), (batch * positions, steps))
    return ops.transpose(scatter_add(indices, values, (batch, size, steps)), (0, 2, 1))


def _of_labels(generated: Tensor, generates: Tensor, labels: Tensor) -> Tensor:
    """The log-probabilities of the labels, `(B, T, 1)`, from those of all words `(B, T, V)`."""
    vocabulary = generated.shape[-1]
    known = ops.expand_dims(labels, -1)
    one = ops.take_along_axis(generated, ops.minimum(known, vocabulary - 1), axis=-1)
    return ops.where(known < vocabulary, one, generates + _ABSENT)


def _log_add(a: Tensor, b: Tensor) -> Tensor:
    """log(exp a + exp b), for which ONNX has no operation."""
    top = ops.stop_gradient(ops.maximum(a, b))
    return top + ops.log(ops.exp(a - top) + ops.exp(b - top))
