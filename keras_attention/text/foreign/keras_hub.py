"""Tokenizers of KerasHub, by their protocol."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from keras import ops

from keras_attention._core.checks import check_choice
from keras_attention._core.types import Config
from keras_attention.text.foreign.base import ForeignVocabulary
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_keras_hub import GraphKerasHub
from keras_attention.text.foreign.pieces import join_bytes, join_word_pieces
from keras_attention.text.foreign.sentence_piece import sentence_piece_vocabulary
from keras_attention.text.foreign.special_tokens import find_special_ids
from keras_attention.text.special_ids import SpecialIds
from keras_attention.text.vocabularies import reads_foreign

CLASSES = {"word_piece": "WordPieceTokenizer", "byte_pair": "BytePairTokenizer"}


class KerasHubVocabulary(ForeignVocabulary, kind="keras_hub"):
    """The vocabulary of KerasHub's `WordPieceTokenizer` or `BytePairTokenizer`.

    `as_vocabulary` makes it of the tokenizer, also of a subclass such as
    `BertTokenizer` and `GPT2Tokenizer`; of a `SentencePieceTokenizer` it makes
    a `SentencePieceVocabulary`. Python and the graph run KerasHub, which is
    imported when a text is first split. Vocabulary, merges and settings are
    saved inside the `.keras` file. A vocabulary without padding gets one more
    id for it, the last. A NUL in a text is read as a space.

    Args:
        tokens: all tokens by id.
        special_ids: `SpecialIds`.
        algorithm: `"word_piece"` or `"byte_pair"`.
        options: arguments of KerasHub's tokenizer, the vocabulary included.
        longest: a text is cut after this many tokens, by default 512.

    Raises:
        ImportError: without KerasHub, when a text is split.

    Example:

    >>> from keras_attention.text import as_vocabulary
    >>> pieces = as_vocabulary(  # doctest: +SKIP
    ...     keras_hub.tokenizers.WordPieceTokenizer(vocabulary, lowercase=True)
    ... )
    """

    def __init__(
        self,
        tokens: Iterable[str],
        special_ids: SpecialIds | Sequence[int | None],
        algorithm: Literal["word_piece", "byte_pair"],
        options: Config,
        longest: int | None = None,
    ) -> None:
        super().__init__(tokens, special_ids, longest)
        check_choice("algorithm", algorithm, tuple(CLASSES))
        self.algorithm, self.options = algorithm, dict(options)
        self.separator, self.lowercase = "", False
        self._made: Any = None

    def tokenizer(self) -> Any:
        """KerasHub's own object, without a fixed length."""
        if self._made is None:
            self._made = make_tokenizer(self.algorithm, self.options)
        return self._made

    def _split(self, text: str) -> list[str]:
        # KerasHub in a graph would end the text at a NUL.
        text = text.replace("\0", " ")
        ids = np.ravel(ops.convert_to_numpy(self.tokenizer().tokenize(text)))
        return [self.tokens[int(i)] for i in ids]

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of tokens."""
        if self.algorithm == "byte_pair":
            return join_bytes(tokens)
        return join_word_pieces(tokens, self.options["suffix_indicator"])

    def in_graph(self) -> GraphForeign:
        """The same vocabulary as operations of a TensorFlow graph."""
        return GraphKerasHub(self, make_tokenizer(self.algorithm, self.options))

    def get_config(self) -> Config:
        """A dictionary that JSON can hold."""
        config = self._base_config("keras_hub")
        return {**config, "algorithm": self.algorithm, "options": self.options}


def make_tokenizer(algorithm: str, options: Mapping[str, Any]) -> Any:
    """KerasHub's tokenizer of an algorithm."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            "This vocabulary needs the package 'keras_hub', which is not installed. Install it "
            "with: pip install keras-hub"
        ) from error
    classes = {
        "word_piece": keras_hub.tokenizers.WordPieceTokenizer,
        "byte_pair": keras_hub.tokenizers.BytePairTokenizer,
    }
    return classes[algorithm](dtype="int32", **options)


@runtime_checkable
class _Tokenizer(Protocol):
    """What all tokenizers of KerasHub have."""

    sequence_length: int | None

    def tokenize(self, inputs: Any) -> Any: ...
    def detokenize(self, inputs: Any) -> Any: ...
    def vocabulary_size(self) -> int: ...
    def id_to_token(self, id: int) -> str: ...
    def token_to_id(self, token: str) -> int: ...


@runtime_checkable
class _WordPiece(_Tokenizer, Protocol):
    vocabulary: list[str]
    lowercase: bool
    strip_accents: bool
    split: bool
    split_on_cjk: bool
    suffix_indicator: str
    oov_token: str


@runtime_checkable
class _BytePair(_Tokenizer, Protocol):
    vocabulary: dict[str, int]
    merges: list[str]
    add_prefix_space: bool
    unsplittable_tokens: list[str] | None


@runtime_checkable
class _SentencePiece(_Tokenizer, Protocol):
    proto: bytes | str
    add_bos: bool
    add_eos: bool


@reads_foreign
def read_keras_hub(
    value: object, special_ids: SpecialIds | None, name: str, writes: bool
) -> ForeignVocabulary | None:
    """The vocabulary of a tokenizer of KerasHub; None of anything else."""
    if isinstance(value, _SentencePiece):
        proto = value.proto
        if isinstance(proto, str):
            proto = base64.b64decode(proto)
        return sentence_piece_vocabulary(proto, special_ids, name, writes)
    options: Config
    if isinstance(value, _WordPiece):
        algorithm: Literal["word_piece", "byte_pair"] = "word_piece"
        options = {
            "vocabulary": list(value.vocabulary),
            "lowercase": value.lowercase,
            "strip_accents": value.strip_accents,
            "split": value.split,
            "split_on_cjk": value.split_on_cjk,
            "suffix_indicator": value.suffix_indicator,
            "oov_token": value.oov_token,
        }
        unknown = value.token_to_id(value.oov_token)
    elif isinstance(value, _BytePair):
        algorithm, unknown = "byte_pair", None
        options = {
            "vocabulary": dict(value.vocabulary),
            "merges": list(value.merges),
            "add_prefix_space": value.add_prefix_space,
            "unsplittable_tokens": value.unsplittable_tokens,
        }
    else:
        return None
    tokens = [str(value.id_to_token(i)) for i in range(value.vocabulary_size())]
    tokens_and_pad, special = find_special_ids(
        tokens, special_ids, name, writes, unknown=None if unknown is None else int(unknown)
    )
    return KerasHubVocabulary(tokens_and_pad, special, algorithm, options)
