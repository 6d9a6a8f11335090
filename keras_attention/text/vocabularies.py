"""Makes a vocabulary of what a user has: one of this package, one made elsewhere, or its size."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Literal, TypeAlias, overload

from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import UNKNOWN, SpecialIds, as_special_ids
from keras_attention.text.vocabulary import vocabulary_from_config

# `reader(value, special_ids, name, writes)`: the vocabulary of what was made elsewhere, or None.
ForeignReader: TypeAlias = Callable[[object, SpecialIds | None, str, bool], VocabularyLike | None]
_READERS: list[ForeignReader] = []


def reads_foreign(reader: ForeignReader) -> ForeignReader:
    """Makes `as_vocabulary` accept what `reader` reads."""
    _READERS.append(reader)
    return reader


@overload
def as_vocabulary(
    value: object,
    *,
    name: str = ...,
    allow_size: Literal[False] = ...,
    special_ids: SpecialIds | None = ...,
    writes: bool = ...,
) -> VocabularyLike: ...


@overload
def as_vocabulary(
    value: object,
    *,
    name: str = ...,
    allow_size: Literal[True],
    special_ids: SpecialIds | None = ...,
    writes: bool = ...,
) -> VocabularyLike | int: ...


def as_vocabulary(
    value: object,
    *,
    name: str = "vocabulary",
    allow_size: bool = False,
    special_ids: SpecialIds | None = None,
    writes: bool = True,
) -> VocabularyLike | int:
    """The vocabulary that an argument stands for. Models call this on what they receive.

    Args:
        value: a `VocabularyLike`; the dictionary of its `get_config`; what was
            made elsewhere: a `keras.layers.TextVectorization` or `StringLookup`,
            a `tokenizers.Tokenizer` or the path of its `tokenizer.json`, a
            SentencePiece model (path or bytes), a tokenizer of KerasHub; or,
            with `allow_size`, the number of ids if only that is known.
        name: of the argument, for the message of the error.
        allow_size: whether a number is accepted.
        special_ids: of what was made elsewhere, where they cannot be found by
            the usual names of its tokens, such as `[start]`, `<s>` and `[CLS]`.
        writes: whether a model writes with the vocabulary: then it needs start
            and end.

    Returns:
        A `VocabularyLike`, or the number.

    Raises:
        ValueError: for anything else, a number below 5, a vocabulary whose
            special ids are not among its ids, one without start or end that is
            written with, and a layer that is not adapted.

    Example:

    >>> from keras_attention.text import Vocabulary, as_vocabulary
    >>> as_vocabulary(Vocabulary("ab").get_config()) == Vocabulary("ab")
    True
    >>> as_vocabulary(30, allow_size=True)
    30
    """
    if isinstance(value, dict):
        return vocabulary_from_config(value)
    if isinstance(value, VocabularyLike):
        special = value.special_ids
        # -1 is the start or end of a vocabulary that was made to be read.
        if writes or -1 not in special:
            as_special_ids(special, len(value), f"{name}.special_ids")
        return value
    for reader in _READERS:
        found = reader(value, special_ids, name, writes)
        if found is not None:
            return found
    number = isinstance(value, Integral) and not isinstance(value, bool)
    if allow_size and number and value > UNKNOWN + 1:  # type: ignore[operator]
        return int(value)  # type: ignore[call-overload]
    size = ""
    if allow_size:
        size = f" or its size, at least {UNKNOWN + 2} with the four special ids"
    raise ValueError(
        f"{name}: expected a keras_attention.text.Vocabulary{size}, received {value!r}."
    )


def vocabulary_size(vocabulary: VocabularyLike | int) -> int:
    """The number of ids of what `as_vocabulary` returned.

    Example:

    >>> from keras_attention.text import Vocabulary, vocabulary_size
    >>> vocabulary_size(Vocabulary("ab")), vocabulary_size(30)
    (6, 30)
    """
    return vocabulary if isinstance(vocabulary, int) else len(vocabulary)
