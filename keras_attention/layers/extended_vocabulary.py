"""Ids of source words that are not in the vocabulary, for models that copy."""

from keras import ops

from keras_attention._core.checks import (
    check_rank,
)
from keras_attention.layers.pointer_generator import _within
from keras_attention.text.vocabulary import END, UNKNOWN


def within_vocabulary(ids, vocabulary_size):
    """Extended ids as ids of the vocabulary: what it lacks becomes unknown (3).

    What was copied goes through this before it is embedded as the next input.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.extended_vocabulary import within_vocabulary
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
    >>> from keras_attention.layers.extended_vocabulary import extended_ids
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
    >>> from keras_attention.layers.extended_vocabulary import restored_ids
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

    >>> from keras_attention.layers.extended_vocabulary import ExtendedVocabulary
    >>> from keras_attention.text.vocabulary import Vocabulary
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
        return self._vocabulary.join(self.to_tokens(ids))
