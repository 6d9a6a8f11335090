"""SentencePiece models, through tensorflow-text."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from keras_attention._core.types import Config
from keras_attention.text.foreign.base import ForeignVocabulary
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_sentence_piece import GraphSentencePiece, pieces_of
from keras_attention.text.foreign.pieces import SPACE, join_sentence_pieces
from keras_attention.text.foreign.special_tokens import find_special_ids
from keras_attention.text.special_ids import SpecialIds
from keras_attention.text.vocabularies import reads_foreign
from keras_attention.text.word_pieces import words_of_pieces


class SentencePieceVocabulary(ForeignVocabulary, kind="sentence_piece"):
    """The vocabulary of a SentencePiece model, unigram or BPE.

    `as_vocabulary` makes it of the path of a `.model` file, of its bytes, of a
    `sentencepiece.SentencePieceProcessor` and of KerasHub's
    `SentencePieceTokenizer`. Python and the graph both run tensorflow-text
    (extra `text`), so the ids are the same. Text is never read as `<s>` or
    `</s>`, unless the model defines them as user symbols. The model is saved
    inside the `.keras` file. A model without padding, as SentencePiece trains
    them, gets one more id for it, the last.

    Source: Kudo and Richardson, "SentencePiece", 2018.

    Args:
        tokens: all pieces by id.
        special_ids: `SpecialIds`.
        model: the bytes of the model, or these in base 64.
        longest: a text is cut after this many pieces, by default 512.

    Raises:
        ImportError: without the extra `text`, when a text is split.

    Example:

    >>> from keras_attention.text import as_vocabulary
    >>> pieces = as_vocabulary("english.model")  # doctest: +SKIP
    >>> pieces.split("Hello world")  # doctest: +SKIP
    ['▁Hello', '▁world']
    """

    def __init__(
        self,
        tokens: Iterable[str],
        special_ids: SpecialIds | Sequence[int | None],
        model: bytes | str,
        longest: int | None = None,
    ) -> None:
        super().__init__(tokens, special_ids, longest)
        self.model = base64.b64decode(model) if isinstance(model, str) else bytes(model)
        self.separator, self.lowercase = "", False
        self._graph: GraphSentencePiece | None = None

    def _split(self, text: str) -> list[str]:
        if self._graph is None:
            self._graph = GraphSentencePiece(self)
        return self._graph.split_one(text)

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of pieces."""
        return join_sentence_pieces(tokens)

    def whole_words(self, tokens: Sequence[str]) -> list[str]:
        """For each piece of a text the word that it belongs to."""
        return words_of_pieces(tokens, lambda token: token.startswith(SPACE), self.join)

    def word_token(self, word: str) -> str:
        """A whole word as one token, which `join` writes as a word of its own."""
        return SPACE + word

    def in_graph(self) -> GraphForeign:
        """The same vocabulary as operations of a TensorFlow graph; needs the extra `text`."""
        return GraphSentencePiece(self)

    def get_config(self) -> Config:
        """A dictionary that JSON can hold."""
        model = base64.b64encode(self.model).decode("ascii")
        return {**self._base_config("sentence_piece"), "model": model}


@runtime_checkable
class _Processor(Protocol):
    """A `sentencepiece.SentencePieceProcessor`."""

    def serialized_model_proto(self) -> bytes: ...


@reads_foreign
def read_sentence_piece(
    value: object, special_ids: SpecialIds | None, name: str, writes: bool
) -> SentencePieceVocabulary | None:
    """The vocabulary of a SentencePiece model; None of anything else."""
    if isinstance(value, (str, Path)) and Path(value).suffix == ".model":
        if not Path(value).is_file():
            raise ValueError(f"{name}: expected a SentencePiece model, received no file {value!r}.")
        model = Path(value).read_bytes()
    elif isinstance(value, bytes):
        model = value
    elif isinstance(value, _Processor):
        model = value.serialized_model_proto()
    else:
        return None
    return sentence_piece_vocabulary(model, special_ids, name, writes)


def sentence_piece_vocabulary(
    model: bytes, special_ids: SpecialIds | None, name: str, writes: bool
) -> SentencePieceVocabulary:
    """The vocabulary of the bytes of a SentencePiece model."""
    tokens, special = find_special_ids(pieces_of(model, name), special_ids, name, writes)
    return SentencePieceVocabulary(tokens, special, model)
