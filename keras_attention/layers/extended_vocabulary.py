"""Ids of source words that are not in the vocabulary, for models that copy."""

from __future__ import annotations

from collections.abc import Iterable

from keras import ops

from keras_attention._core.checks import check_rank
from keras_attention._core.types import Tensor
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import UNKNOWN


def within_vocabulary(
    ids: Tensor, vocabulary_size: int | Tensor, unknown_id: int = UNKNOWN
) -> Tensor:
    """Extended ids as ids of the vocabulary: ids beyond it become unknown.

    Copied words go through this before they are embedded as the next input.

    Args:
        ids: extended ids, of any shape.
        vocabulary_size: V.
        unknown_id: the id of unknown tokens.

    Returns:
        Ids below V, of the same shape.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.extended_vocabulary import within_vocabulary
    >>> within_vocabulary(np.array([[4, 9, 2]]), 9).numpy().tolist()
    [[4, 3, 2]]
    """
    ids = ops.convert_to_tensor(ids)
    return ops.where(ids < vocabulary_size, ids, unknown_id)


def extended_ids(ids: Tensor, vocabulary_size: int) -> tuple[Tensor, Tensor]:
    """Replaces ids beyond the vocabulary by V, V + 1, ..., in each source in order of appearance.

    The ids are those of a larger vocabulary, or any numbers that identify words
    (hashes, for instance), of which the model knows the first V. The function
    works inside a graph, compiles and can be exported to ONNX.

    Args:
        ids: `(B, S)`, 0 for padding; ids from V on are unknown to the model.
        vocabulary_size: V.

    Returns:
        The extended ids `(B, S)`, and the extension `(B, S)`: at k the id that
        V + k stands for, or 0.

    Raises:
        ValueError: if the ids are not of rank 2.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.extended_vocabulary import extended_ids
    >>> extended, extension = extended_ids(np.array([[4, 70, 60, 70, 0]]), 10)
    >>> extended.numpy().tolist(), extension.numpy().tolist()
    ([[4, 10, 11, 10, 0]], [[70, 60, 0, 0, 0]])
    """
    ids = ops.convert_to_tensor(ids)
    check_rank("ids", ids, (2,), "(batch, length)")
    beyond = ids >= vocabulary_size
    positions = ops.arange(ops.shape(ids)[1], dtype="int32")
    same = ops.expand_dims(ids, 2) == ops.expand_dims(ids, 1)
    # The first position of each word; not by argmax, which ONNX lacks for booleans.
    first = ops.min(ops.where(same, positions, ops.shape(ids)[1]), axis=2)
    new = ops.logical_and(beyond, first == positions)
    count = ops.cumsum(ops.cast(new, "int32"), axis=1)
    number = ops.take_along_axis(count, first, axis=1) - 1
    extended = ops.where(beyond, ops.cast(vocabulary_size + number, ids.dtype), ids)
    # At k of the extension: the only word that is new and has the number k.
    numbered = ops.logical_and(
        ops.expand_dims(new, 1), ops.expand_dims(count - 1, 1) == positions[:, None]
    )
    return extended, ops.sum(ops.where(numbered, ops.expand_dims(ids, 1), 0), axis=2)


def restored_ids(
    extended: Tensor, extension: Tensor, vocabulary_size: int, unknown_id: int = UNKNOWN
) -> Tensor:
    """The ids of the larger vocabulary from extended ids: the inverse of `extended_ids`.

    Args:
        extended: generated ids `(B, T)`.
        extension: the second result of `extended_ids`.
        vocabulary_size: V.
        unknown_id: the id of unknown tokens.

    Returns:
        `(B, T)`; an extended id that stands for no word becomes unknown.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.extended_vocabulary import restored_ids
    >>> restored_ids(np.array([[11, 4, 2]]), np.array([[70, 60, 0]]), 10).numpy().tolist()
    [[60, 4, 2]]
    """
    extended, extension = ops.convert_to_tensor(extended), ops.convert_to_tensor(extension)
    number = extended - vocabulary_size
    size = ops.cast(ops.shape(extension)[1], number.dtype)
    known = ops.logical_and(number >= 0, number < size)
    found = ops.take_along_axis(extension, ops.where(known, number, 0), axis=1)
    found = ops.where(ops.logical_and(known, found != 0), found, unknown_id)
    return ops.where(number >= 0, ops.cast(found, extended.dtype), extended)


class ExtendedVocabulary:
    """A vocabulary extended by the out-of-vocabulary words of one source.

    Args:
        vocabulary: a `keras_attention.text.Vocabulary`, or an object like it.
        source: the text from which words may be copied.

    Attributes:
        source_ids: the extended ids of the source.
        extension: the words with the ids V, V + 1, ...

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

    def __init__(self, vocabulary: VocabularyLike, source: str) -> None:
        self._vocabulary = vocabulary
        self._special = vocabulary.special_ids
        words = vocabulary.split(source)
        ids = vocabulary.to_ids(words)
        unknown = (word for word, i in zip(words, ids) if i == self._special.unknown)
        self.extension = tuple(dict.fromkeys(unknown))
        self._numbers = {word: len(vocabulary) + k for k, word in enumerate(self.extension)}
        self.source_ids = self.encode(source)

    def encode(self, text: str) -> list[int]:
        """The extended ids of a text; words in neither vocabulary nor source are unknown."""
        words = self._vocabulary.split(text)
        ids = zip(words, self._vocabulary.to_ids(words))
        return [self._numbers.get(w, i) if i == self._special.unknown else i for w, i in ids]

    def to_tokens(self, ids: Iterable[int]) -> list[str]:
        """The words of a sequence of extended ids up to its end, without start and padding."""
        size = len(self._vocabulary)
        words: list[str] = []
        for i in map(int, ids):
            if i >= size:
                k = i - size
                words.append(self.extension[k] if k < len(self.extension) else self._unknown())
                continue
            if i == self._special.end:
                break
            words += self._vocabulary.to_tokens([i])
        return words

    def _unknown(self) -> str:
        unknown = self._special.unknown
        return "" if unknown is None else self._vocabulary.tokens[unknown]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence of extended ids up to its end, without start and padding."""
        return self._vocabulary.join(self.to_tokens(ids))
