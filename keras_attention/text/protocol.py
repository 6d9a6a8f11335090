"""What the rest of the library expects of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from keras_attention._core.types import Config, Tensor
from keras_attention.text.special_ids import SpecialIds


class GraphVocabularyLike(Protocol):
    """A vocabulary as operations of a TensorFlow graph, on batches.

    Attributes:
        resources: objects that a SavedModel has to track, such as lookup tables.
    """

    resources: list[Any]

    def tokens(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to `(B, T)` tokens, padded with empty strings; T is at least 1."""

    def ids(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B, T)` ids, padded."""

    def encode(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to `(B, T)` ids, padded."""

    def to_tokens(self, ids: Tensor) -> Tensor:
        """`(B, T)` ids to `(B, T)` tokens; padding, start and end become empty strings."""

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""


@runtime_checkable
class VocabularyLike(Protocol):
    """The contract of a vocabulary: text to ids and back.

    `Vocabulary` and `Subwords` fulfil it. An object of your own with these
    attributes and methods works wherever a vocabulary is expected. To be saved
    in a `.keras` file it must be a subclass of `Vocabulary` with a `kind` of
    its own, so that it can be found again.

    Attributes:
        tokens: all tokens by id.
        special_ids: `SpecialIds`, the ids of padding, start, end and unknown
            tokens. Masks, searches and exports read them.

    Example:

    >>> from keras_attention.text import Subwords, Vocabulary, VocabularyLike
    >>> isinstance(Vocabulary("abc"), VocabularyLike), isinstance("abc", VocabularyLike)
    (True, False)
    """

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens by id."""

    @property
    def special_ids(self) -> SpecialIds:
        """The ids of padding, start, end and unknown tokens."""

    def __len__(self) -> int:
        """The number of ids, the special ones included."""

    def split(self, text: str) -> list[str]:
        """The tokens of a text; a token that is not in the vocabulary stays as it is."""

    def to_ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of what `split` returned, one per token."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text: `to_ids(split(text))`."""

    def to_tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens of a sequence of ids up to its end, without start and padding."""

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of tokens."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence of ids up to its end, without start and padding."""

    def in_graph(self) -> GraphVocabularyLike:
        """The same vocabulary as operations of a TensorFlow graph."""

    def write_tokenizer(self, path: str | Path) -> None:
        """Writes a `tokenizer.json` from which the `tokenizers` package gives the same ids.

        Raises:
            NotImplementedError: where there can be none.
        """

    def get_config(self) -> Config:
        """A dictionary that JSON can hold."""


@runtime_checkable
class HasLongest(Protocol):
    """What a vocabulary has besides, if it says how much of a text it reads.

    `generate` and an artifact for text read so many tokens of a text, or 512
    where a vocabulary lacks the attribute.

    Attributes:
        longest: a text is cut after this many tokens.

    Example:

    >>> from keras_attention.text import HasLongest, Vocabulary
    >>> isinstance(Vocabulary("abc"), HasLongest), Vocabulary("abc").longest
    (True, 512)
    """

    @property
    def longest(self) -> int:
        """A text is cut after this many tokens."""


@runtime_checkable
class SplitsWords(Protocol):
    """What a vocabulary has besides, if its tokens are pieces of words.

    Unknown words are then replaced as a whole, see
    `keras_attention.generation.replace_unknown`. Where a vocabulary lacks these
    methods, each token is a word.

    Example:

    >>> from keras_attention.text import SplitsWords, Subwords, Vocabulary
    >>> isinstance(Subwords(["a"]), SplitsWords), isinstance(Vocabulary("abc"), SplitsWords)
    (True, False)
    """

    def whole_words(self, tokens: Sequence[str]) -> list[str]:
        """For each token of a text the word that it belongs to."""

    def word_token(self, word: str) -> str:
        """A whole word as one token, which `join` writes as a word of its own."""
