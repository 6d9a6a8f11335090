"""Pointer-generator: each token is generated or copied from the source."""

import math

import keras
from keras import ops

from keras_attention._core.backend.gathers import scatter_add
from keras_attention._core.checks import (
    check_features,
    check_positive,
    check_rank,
    check_shape,
    check_size,
    score_dtype,
)
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention.losses.masking import safe_log
from keras_attention.text.vocabulary import UNKNOWN

# The log-probability of an extended id that stands for no word of the source. Far above
# IMPOSSIBLE, so that the loss of such a label is finite and of ordinary size.
_ABSENT = math.log(1e-30)


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerGenerator(keras.layers.Layer):
    """Generates a word or copies one of the source, in one distribution.

        p_gen = sigmoid(w . features + b)
        p(y)  = p_gen * softmax(logits)_y + (1 - p_gen) * sum_{j: source_ids_j = y} weights_j

    y runs over the V ids of the vocabulary, then over those that out-of-
    vocabulary words have in their row alone. A word that occurs several times
    in the source gets the sum of its weights; padding of the source, by its
    ids of 0, gets nothing, and a source that is padding altogether has
    `p_gen = 1`.

    The result is computed as logarithms throughout, from the logits on, so
    that no probability underflows. An extended id that no word of the row has
    gets about log 1e-30, which keeps a loss finite.

    Source: See, Liu and Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks", 2017. There, the features are the context, the
    decoder's state and its input, joined.

    Args:
        extension: how many ids beyond the vocabulary there are; source ids
            beyond them count as unknown (3). By default as many as the source
            is long, which is always enough.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, T, F)`, what decides between the two ways; or one step
            `(B, F)`, and all others without T likewise.
        logits: `(B, T, V)` over the vocabulary.
        weights: `(B, T, S)`, the attention weights over the source.
        source_ids: `(B, S)` extended ids of the source, 0 for padding.
        labels: `(B, T)` extended ids, or None. With them, only their
            log-probabilities are computed, for training at a fraction of the
            memory; labels beyond all ids count as unknown (3).
        return_p_gen: whether to return p_gen too.
        features_mask: `(B, T)`, True for real steps; the others give finite
            numbers without meaning. In the functional API Keras fills it in.

    Returns:
        Log-probabilities in at least float32, which are logits as well:
        `(B, T, V + extension)`, or `(B, T)` of the labels; and on request p_gen
        `(B, T)`.

    Raises:
        ValueError: for ranks and sizes that do not fit, and an unknown V.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pointer_generator import PointerGenerator
    >>> features, logits = np.zeros((1, 1, 2)), np.zeros((1, 1, 5))
    >>> weights, source_ids = np.array([[[0.5, 0.3, 0.2]]]), np.array([[4, 5, 4]])
    >>> log_p = PointerGenerator(extension=1)(features, logits, weights, source_ids)
    >>> [round(float(p), 4) for p in np.exp(log_p)[0, 0]]
    [0.1, 0.1, 0.1, 0.1, 0.45, 0.15]
    """

    def __init__(self, extension=None, **kwargs):
        # Logits and weights stay as they come: half of a large vocabulary would be lost.
        super().__init__(**{"autocast": False, **kwargs})
        if extension is not None:
            check_positive("extension", extension)
        self.extension = extension
        self.supports_masking = True

    def build(
        self,
        features_shape,
        logits_shape=None,
        weights_shape=None,
        source_ids_shape=None,
        labels_shape=None,
    ):
        check_features(features=features_shape)
        self.gate = keras.layers.Dense(
            1, dtype=self.dtype_policy, trainable=self.trainable, name="gate"
        )
        self.gate.build(features_shape)
        self._size = features_shape[-1]
        self.built = True

    def call(
        self,
        features,
        logits,
        weights,
        source_ids,
        labels=None,
        return_p_gen=False,
        features_mask=None,
    ):
        features, logits, weights, source_ids = map(
            ops.convert_to_tensor, (features, logits, weights, source_ids)
        )
        self._check(features, logits, weights, source_ids, labels, features_mask)
        dtype = score_dtype(self.compute_dtype)
        given = weights.dtype
        logits, weights = ops.cast(logits, dtype), ops.cast(weights, dtype)
        if features_mask is not None:
            real = ops.expand_dims(ops.cast(features_mask, "bool"), -1)
            features, logits, weights = (
                ops.where(real, tensor, ops.zeros_like(tensor))
                for tensor in (features, logits, weights)
            )
        single = len(features.shape) == 2
        if single:
            features, logits, weights = (
                ops.expand_dims(tensor, 1) for tensor in (features, logits, weights)
            )
            labels = None if labels is None else ops.expand_dims(labels, 1)

        vocabulary = logits.shape[-1]
        extension = self.extension or ops.shape(source_ids)[1]
        source_ids = _within(ops.cast(source_ids, "int32"), vocabulary + extension)
        present = source_ids != 0
        weights = ops.where(ops.expand_dims(present, 1), weights, ops.zeros((), dtype))

        z = ops.cast(self.gate(ops.cast(features, self.compute_dtype)), dtype)
        some = ops.reshape(ops.any(present, axis=1), (-1, 1, 1))
        generates = ops.where(some, ops.log_sigmoid(z), ops.zeros((), dtype))
        generated = generates + ops.log_softmax(logits, axis=-1)
        if labels is None:
            absent = ops.shape(generated)[:2]
            absent = generates + ops.full((*absent, extension), _ABSENT, dtype=dtype)
            generated = ops.concatenate([generated, absent], axis=-1)
            copied = _copied(weights, source_ids, vocabulary + extension)
        else:
            labels = _within(ops.cast(labels, "int32"), vocabulary + extension)
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

    def _check(self, features, logits, weights, source_ids, labels, features_mask):
        check_rank("features", features, (2, 3), "(batch, length, features) or (batch, features)")
        steps = tuple(features.shape[:-1])
        for name, tensor in (("logits", logits), ("weights", weights)):
            check_rank(name, tensor, (len(features.shape),), "as many axes as features has")
            check_shape(name, tensor, (*steps, tensor.shape[-1]), "one row a step of features")
        if logits.shape[-1] is None:
            raise ValueError(
                "logits: expected a known last size, where the ids of the source begin that the "
                f"vocabulary lacks, received shape {tuple(logits.shape)}."
            )
        expected = (steps[0], weights.shape[-1])
        check_shape("source_ids", source_ids, expected, "one id a position of weights")
        if labels is not None:
            check_shape("labels", labels, steps, "one id a step of features")
        if features_mask is not None:
            check_shape("features_mask", features_mask, steps, "one boolean a step of features")
        if self.built:
            check_size("features", features, self._size)

    def compute_output_spec(
        self,
        features,
        logits,
        weights,
        source_ids,
        labels=None,
        return_p_gen=False,
        features_mask=None,
    ):
        self._check(features, logits, weights, source_ids, labels, features_mask)
        steps, dtype = tuple(features.shape[:-1]), score_dtype(self.compute_dtype)
        extension = self.extension or source_ids.shape[1]
        size = None if extension is None else logits.shape[-1] + extension
        log_p = keras.KerasTensor(steps if labels is not None else (*steps, size), dtype=dtype)
        return (log_p, keras.KerasTensor(steps, dtype=dtype)) if return_p_gen else log_p

    def compute_mask(self, features, previous_mask=None):
        # A step stands where its features stood.
        return previous_mask

    def get_config(self):
        return {**super().get_config(), "extension": self.extension}


def _copied(weights, source_ids, size):
    """Weights `(B, T, S)` summed up by id, `(B, T, size)`."""
    batch, steps, positions = ops.shape(weights)
    rows = ops.expand_dims(ops.arange(batch, dtype="int32"), 1) + ops.zeros_like(source_ids)
    indices = ops.stack([ops.reshape(part, (-1,)) for part in (rows, source_ids)], axis=1)
    # With the steps last an id's weights lie together: one index a position, not one a weight.
    values = ops.reshape(ops.transpose(weights, (0, 2, 1)), (batch * positions, steps))
    return ops.transpose(scatter_add(indices, values, (batch, size, steps)), (0, 2, 1))


def _of_labels(generated, generates, labels):
    """Those of the labels, `(B, T, 1)`, out of what is generated `(B, T, V)`."""
    vocabulary = generated.shape[-1]
    known = ops.expand_dims(labels, -1)
    one = ops.take_along_axis(generated, ops.minimum(known, vocabulary - 1), axis=-1)
    return ops.where(known < vocabulary, one, generates + _ABSENT)


def _log_add(a, b):
    """log(exp a + exp b); ONNX has no such operation."""
    top = ops.stop_gradient(ops.maximum(a, b))
    return top + ops.log(ops.exp(a - top) + ops.exp(b - top))


def _within(ids, size):
    return ops.where(ids < size, ids, UNKNOWN)
