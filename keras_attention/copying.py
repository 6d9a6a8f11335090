"""Outputs that point at the source: a pointer network's head, and copying words besides generating.

A source word that the vocabulary lacks can be copied by an id of its own, which
it has in this row alone: V, V + 1, ... for a vocabulary of V ids. The source
then has extended ids (`extended_ids` in the graph, `ExtendedVocabulary` for
words), labels may be such ids too, and what is fed back to an embedding goes
through `within_vocabulary` first.
"""

import math

import keras
from keras import ops, tree

from keras_attention import scores
from keras_attention.backend import scatter_add
from keras_attention.checks import (
    check_features,
    check_flag,
    check_positive,
    check_rank,
    check_shape,
    check_size,
    score_dtype,
)
from keras_attention.losses.rows import safe_log
from keras_attention.memory import Memory
from keras_attention.text import END, UNKNOWN

# The logarithm of what has no probability at all; finite, so that no gradient becomes NaN.
NEVER = -1e30
# An extended id that no word of the row has is as good as impossible, but a loss of it is finite.
_ABSENT = math.log(1e-30)


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerHead(keras.layers.Layer):
    """Points at positions of its input: `p(y_t = j) = softmax_j(v . tanh(W q_t + U h_j))`.

    What it gives are log-probabilities, which are logits as well. Masked
    positions, and those that are used already, get -1e30.

    With `end`, there is one more choice, a learned vector that says that
    nothing follows: it is choice 0, and position j is choice j + 1, so that no
    choice depends on how long the padding is.

    Source: Vinyals, Fortunato and Jaitly, "Pointer Networks", 2015, which
    counts the positions from 1, too.

    Args:
        score: a name (see `keras_attention.scores.get`) or a `Score` that does
            not look back; the paper's is additive.
        end: whether there is the choice of an end.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        query: `(B, T, Dq)`, or one step `(B, Dq)`.
        value: `(B, S, D)`, the positions to choose from.
        used: `(B, T, S)`, or `(B, S)` for all steps, True for positions that
            may not be chosen; see `used_positions`.
        query_mask: `(B, T)`, True for real steps; the others give finite
            numbers without meaning. In the functional API Keras fills it in.
        value_mask: `(B, S)`, True for real positions; likewise.

    Returns:
        `(B, T, S)`, or `(B, S)` for one step, with `end` S + 1, in at least
        float32.

    Raises:
        ValueError: for an unknown score, one that looks back, and ranks, sizes
            or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.copying import PointerHead
    >>> query, value = np.ones((2, 3, 4)), np.ones((2, 4, 6))
    >>> log_p = PointerHead()(query, value, used=np.array([[0, 0, 0, 1]] * 2, bool))
    >>> [round(float(p), 4) for p in np.exp(log_p)[0, 0]]
    [0.3333, 0.3333, 0.3333, 0.0]
    """

    def __init__(self, score="additive", end=False, **kwargs):
        super().__init__(**kwargs)
        check_flag("end", end)
        named = isinstance(score, str)
        self._score_name = score if named else None
        self.score = scores.get(score, **({"dtype": self.dtype_policy} if named else {}))
        self.end = end
        self.supports_masking = True

    def build(self, query_shape, value_shape, used_shape=None):
        check_features(query=query_shape, value=value_shape)
        # What was loaded with its weights is built already.
        if not self.score.built:
            self.score.build((None, None, query_shape[-1]), (None, None, value_shape[-1]))
        if self.end:
            self.end_vector = self.add_weight(
                shape=(1, 1, value_shape[-1]), initializer="glorot_uniform", name="end_vector"
            )
        self._query_size, self._value_size = query_shape[-1], value_shape[-1]
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            self.score.trainable = False
        self.built = True

    def call(self, query, value, used=None, query_mask=None, value_mask=None):
        self._check(query, value, used, query_mask, value_mask)
        return self._point(query, self.memory(value, value_mask), used, query_mask)

    def memory(self, value, mask=None):
        """Projects the positions once, for any number of steps; see `Attention.memory`."""
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # Zero times the infinity or NaN of some padding would still be NaN.
            value = ops.where(ops.expand_dims(mask, -1), value, ops.zeros_like(value))
        if self.end:
            end = ops.cast(self.end_vector, value.dtype)
            end = ops.broadcast_to(end, (ops.shape(value)[0], *end.shape[1:]))
            value = ops.concatenate([end, value], axis=1)
            if mask is not None:
                mask = _true_before(mask)
        keys = ops.cast(self.score.project_keys(value), score_dtype(self.compute_dtype))
        memory = Memory(keys, value, mask)
        if tree.flatten(self.score.initial_state(memory)):
            raise ValueError(
                "score: expected one that does not look back on earlier weights, received "
                f"{type(self.score).__name__}."
            )
        return memory

    def step(self, query, memory, used=None):
        """The log-probabilities `(B, S)` of one step; `query` is `(B, Dq)`, `used` `(B, S)`."""
        return self._point(query, memory, used, None)

    def _point(self, query, memory, used, query_mask):
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        single = len(query.shape) == 2
        if query_mask is not None:
            asks = ops.expand_dims(ops.cast(query_mask, "bool"), -1)
            query = ops.where(asks, query, ops.zeros_like(query))
        if single:
            query = ops.expand_dims(query, 1)
        # By rows: inside a loop XLA cannot differentiate a Dense at rank 3.
        rows = ops.reshape(query, (-1, query.shape[-1]))
        projected = ops.cast(self.score.project_query(rows), memory.keys.dtype)
        projected = ops.reshape(projected, (*ops.shape(query)[:2], projected.shape[-1]))
        compared = self.score.compare(projected, memory.keys)
        log_p = _log_softmax(compared, self._open(memory, used))
        return ops.squeeze(log_p, 1) if single else log_p

    def _open(self, memory, used):
        """What may be chosen: `(B, 1 or T, S)`, or None for everything."""
        mask = None if memory.mask is None else ops.expand_dims(memory.mask, 1)
        if used is None:
            return mask
        free = ops.logical_not(ops.cast(used, "bool"))
        if len(free.shape) == 2:
            free = ops.expand_dims(free, 1)
        if self.end:
            # However much is used, it can end.
            free = _true_before(free)
        return free if mask is None else ops.logical_and(mask, free)

    def _check(self, query, value, used, query_mask, value_mask):
        check_rank("query", query, (2, 3), "(batch, length, features) or (batch, features)")
        check_rank("value", value, (3,), "(batch, positions, features)")
        batch, positions = value.shape[:2]
        check_shape("value", value, (query.shape[0], *value.shape[1:]), "as many rows as query has")
        if query_mask is not None:
            check_shape("query_mask", query_mask, query.shape[:-1], "one boolean a query")
        if value_mask is not None:
            check_shape("value_mask", value_mask, (batch, positions), "one boolean a position")
        if used is not None:
            used = ops.convert_to_tensor(used)
            ranks = (2, 3) if len(query.shape) == 3 else (2,)
            check_rank("used", used, ranks, "one boolean a position, for all steps or for each")
            steps = query.shape[1:-1] if len(used.shape) == 3 else ()
            check_shape("used", used, (batch, *steps, positions), "one boolean a position")
        if self.built:
            check_size("query", query, self._query_size)
            check_size("value", value, self._value_size)

    def compute_output_shape(self, query_shape, value_shape, used_shape=None):
        positions = value_shape[1]
        if self.end and positions is not None:
            positions += 1
        return (*query_shape[:-1], positions)

    def compute_output_spec(self, query, value, used=None, query_mask=None, value_mask=None):
        self._check(query, value, used, query_mask, value_mask)
        shape = self.compute_output_shape(query.shape, value.shape)
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))

    def compute_mask(self, query, previous_mask=None):
        # A step stands where its query stood.
        return previous_mask

    def get_config(self):
        score = self._score_name or keras.saving.serialize_keras_object(self.score)
        return {**super().get_config(), "score": score, "end": self.end}


def _true_before(mask):
    # Not by a padding, which ONNX has for numbers only.
    return ops.concatenate([ops.ones_like(mask[..., :1]), mask], axis=-1)


def _log_softmax(numbers, mask):
    """Log-probabilities over what the mask leaves, `NEVER` for the rest."""
    if mask is not None:
        numbers = ops.where(mask, numbers, NEVER)
    top = ops.stop_gradient(ops.max(numbers, axis=-1, keepdims=True))
    powers = ops.exp(numbers - top)
    if mask is not None:
        powers = ops.where(mask, powers, 0.0)
    # The sum is at least exp(0) = 1 wherever there is anything to choose.
    total = ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 0.5)
    log_p = numbers - top - ops.log(total)
    return log_p if mask is None else ops.where(mask, log_p, NEVER)


def used_positions(choices, positions):
    """Which positions were chosen before each step, `(B, T, positions)`.

    For the `used` of a `PointerHead` in training, where all choices are known.

    Args:
        choices: `(B, T)` positions from 0 on. Others, as -1 for padding, are
            none; so with an end at choice 0, pass `choices - 1`.
        positions: how many there are.

    Returns:
        Booleans.

    Example:

    >>> import numpy as np
    >>> from keras_attention.copying import used_positions
    >>> used_positions(np.array([[2, 0, 1]]), 3)[0].numpy().astype(int).tolist()
    [[0, 0, 0], [0, 0, 1], [1, 0, 1]]
    """
    choices = ops.convert_to_tensor(choices)
    check_rank("choices", choices, (2,), "(batch, steps)")
    chosen = ops.expand_dims(choices, -1) == ops.arange(positions, dtype=choices.dtype)
    chosen = ops.cast(chosen, "int32")
    return ops.cumsum(chosen, axis=1) - chosen > 0


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
    >>> from keras_attention.copying import PointerGenerator
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
        log_p = _log_add(generated, ops.where(copied > 0, copies, NEVER))
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


def within_vocabulary(ids, vocabulary_size):
    """Extended ids as ids of the vocabulary: what it lacks becomes unknown (3).

    What was copied goes through this before it is embedded as the next input.

    Example:

    >>> import numpy as np
    >>> from keras_attention.copying import within_vocabulary
    >>> within_vocabulary(np.array([[4, 9, 2]]), 9).numpy().tolist()
    [[4, 3, 2]]
    """
    return _within(ops.convert_to_tensor(ids), vocabulary_size)


def extended_ids(ids, vocabulary_size):
    """Numbers what the vocabulary lacks row by row: V, V + 1, ... in the order of appearance.

    The ids come from a larger vocabulary, or are any numbers that tell words
    apart (hashes, say), the first V of which the model knows. This runs inside
    a graph, compiles and converts to ONNX.

    Args:
        ids: `(B, S)`, 0 for padding; those from V on are unknown to the model.
        vocabulary_size: V.

    Returns:
        The extended ids `(B, S)`, and which id stands for V + k in each row,
        `(B, S)`, 0 where none does.

    Raises:
        ValueError: where ids are no matrix.

    Example:

    >>> import numpy as np
    >>> from keras_attention.copying import extended_ids
    >>> extended, extension = extended_ids(np.array([[4, 70, 60, 70, 0]]), 10)
    >>> extended.numpy().tolist(), extension.numpy().tolist()
    ([[4, 10, 11, 10, 0]], [[70, 60, 0, 0, 0]])
    """
    ids = ops.convert_to_tensor(ids)
    check_rank("ids", ids, (2,), "(batch, length)")
    lacking = ids >= vocabulary_size
    places = ops.arange(ops.shape(ids)[1], dtype="int32")
    same = ops.expand_dims(ids, 2) == ops.expand_dims(ids, 1)
    # The first place at which each word stands; not by argmax, which ONNX lacks for booleans.
    first = ops.min(ops.where(same, places, ops.shape(ids)[1]), axis=2)
    new = ops.logical_and(lacking, first == places)
    count = ops.cumsum(ops.cast(new, "int32"), axis=1)
    number = ops.take_along_axis(count, first, axis=1) - 1
    extended = ops.where(lacking, ops.cast(vocabulary_size + number, ids.dtype), ids)
    # By place in the extension: the word that is new there, and no other, has that number.
    here = ops.logical_and(
        ops.expand_dims(new, 1), ops.expand_dims(count - 1, 1) == places[:, None]
    )
    return extended, ops.sum(ops.where(here, ops.expand_dims(ids, 1), 0), axis=2)


def restored_ids(extended, extension, vocabulary_size):
    """Extended ids as those of the larger vocabulary again, the reverse of `extended_ids`.

    Args:
        extended: `(B, T)`, as generated.
        extension: the second result of `extended_ids`.
        vocabulary_size: V.

    Returns:
        `(B, T)`; an extended id that no word of the row has becomes unknown (3).

    Example:

    >>> import numpy as np
    >>> from keras_attention.copying import restored_ids
    >>> restored_ids(np.array([[11, 4, 2]]), np.array([[70, 60, 0]]), 10).numpy().tolist()
    [[60, 4, 2]]
    """
    extended, extension = ops.convert_to_tensor(extended), ops.convert_to_tensor(extension)
    place = extended - vocabulary_size
    size = ops.cast(ops.shape(extension)[1], place.dtype)
    known = ops.logical_and(place >= 0, place < size)
    found = ops.take_along_axis(extension, ops.where(known, place, 0), axis=1)
    found = ops.where(ops.logical_and(known, found != 0), found, UNKNOWN)
    return ops.where(place >= 0, ops.cast(found, extended.dtype), extended)


class ExtendedVocabulary:
    """A vocabulary and, with ids after its own, the words of one source that it lacks.

    Args:
        vocabulary: a `keras_attention.text.Vocabulary`.
        source: the text that words may be copied from.

    Attributes:
        source_ids: the extended ids of the source.
        extension: the words that the vocabulary lacks, by their place in V,
            V + 1, ...

    Example:

    >>> from keras_attention.copying import ExtendedVocabulary
    >>> from keras_attention.text import Vocabulary
    >>> words = ExtendedVocabulary(Vocabulary(["went", "to"], " "), "Ann went to Rome to Ann")
    >>> words.source_ids, words.extension
    ([6, 4, 5, 7, 5, 6], ('Ann', 'Rome'))
    >>> words.encode("to Rome by Ann")
    [5, 7, 3, 6]
    >>> words.decode([6, 5, 7, 2, 0])
    'Ann to Rome'
    """

    def __init__(self, vocabulary, source):
        self._vocabulary = vocabulary
        words, ids = vocabulary.split(source), vocabulary.encode(source)
        lacking = (word for word, i in zip(words, ids) if i == UNKNOWN)
        self.extension = tuple(dict.fromkeys(lacking))
        self._numbers = {word: len(vocabulary) + k for k, word in enumerate(self.extension)}
        self.source_ids = self.encode(source)

    def encode(self, text):
        """The extended ids of a text; what neither the vocabulary nor the source has becomes 3."""
        words, ids = self._vocabulary.split(text), self._vocabulary.encode(text)
        return [
            self._numbers.get(word, UNKNOWN) if i == UNKNOWN else i for word, i in zip(words, ids)
        ]

    def to_tokens(self, ids):
        """The words of a row of extended ids, up to its end, without start and padding."""
        size, words = len(self._vocabulary), []
        for i in map(int, ids):
            if i >= size:
                k = i - size
                words += self.extension[k : k + 1] or self._vocabulary.tokens[UNKNOWN : UNKNOWN + 1]
                continue
            if i == END:
                break
            words += self._vocabulary.to_tokens([i])
        return words

    def decode(self, ids):
        """The text of a row of extended ids, up to its end, without start and padding."""
        return self._vocabulary.separator.join(self.to_tokens(ids))
