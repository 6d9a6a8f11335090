"""Tokenizers of the package `tokenizers`, and their files `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from keras_attention._core.optional import require
from keras_attention._core.types import Config
from keras_attention.text.bounds import cut_text
from keras_attention.text.foreign.base import ForeignVocabulary
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_word_piece import GraphBertTokenizer
from keras_attention.text.foreign.special_tokens import find_special_ids
from keras_attention.text.special_ids import SpecialIds
from keras_attention.text.tokenizer_json import truncation, write_tokenizer_json
from keras_attention.text.vocabularies import reads_foreign
from keras_attention.text.vocabulary import check_text


class TokenizersVocabulary(ForeignVocabulary, kind="tokenizers"):
    """The vocabulary of a `tokenizers.Tokenizer`, or of a `tokenizer.json`.

    `as_vocabulary` makes it of either. In Python every tokenizer works, through
    the package `tokenizers` (extra `tokenizers`), with `add_special_tokens` off
    and no padding; "[SEP]" in a text has its own id if the tokenizer reads it
    so, as it does for its added tokens. In the graph, for artifacts that read
    text, WordPiece with the normalizer and the splitting of BERT works (extra
    `text`); `in_graph` refuses any other and names the part that TensorFlow has
    no operation for: export `kind="ids"` then, and tokenize at the client. The
    content of the file is saved inside the `.keras` file.

    Args:
        tokens: all tokens by id.
        special_ids: `SpecialIds`.
        content: the content of `tokenizer.json`, a string.
        longest: a text is cut after this many tokens, by default where the
            tokenizer cuts it, or after 512.

    Raises:
        ImportError: without the extra `tokenizers`, when a text is split.

    Example:

    >>> from keras_attention.text import as_vocabulary
    >>> pieces = as_vocabulary("bert/tokenizer.json")  # doctest: +SKIP
    >>> pieces.split("unseen words")  # doctest: +SKIP
    ['un', '##see', '##n', 'words']
    """

    def __init__(
        self,
        tokens: Iterable[str],
        special_ids: SpecialIds | Sequence[int | None],
        content: str,
        longest: int | None = None,
    ) -> None:
        own = (json.loads(content).get("truncation") or {}).get("max_length")
        super().__init__(tokens, special_ids, own if longest is None else longest)
        if own is not None:
            self.longest = min(self.longest, own)
        self.content = content
        self.separator, self.lowercase = "", False
        self._tokenizer: Any = None

    def _loaded(self) -> Any:
        if self._tokenizer is None:
            package = require("tokenizers", "tokenizers")
            self._tokenizer = package.Tokenizer.from_str(self.content)
            self._tokenizer.no_padding()
        return self._tokenizer

    def _split(self, text: str) -> list[str]:
        return self._loaded().encode(text, add_special_tokens=False).tokens

    def encode(self, text: str) -> list[int]:
        """The ids of the first `longest` tokens of a text."""
        text = cut_text(check_text("encode", text), self.longest)
        return self._loaded().encode(text, add_special_tokens=False).ids[: self.longest]

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of tokens."""
        decoder = self._loaded().decoder
        return " ".join(tokens) if decoder is None else decoder.decode(list(tokens))

    def in_graph(self) -> GraphForeign:
        """The same vocabulary as operations of a TensorFlow graph; needs the extra `text`.

        Raises:
            ValueError: for a tokenizer with a part that TensorFlow has no operation for.
        """
        return GraphBertTokenizer(self)

    def get_config(self) -> Config:
        """A dictionary that JSON can hold."""
        return {**self._base_config("tokenizers"), "content": self.content}

    def write_tokenizer(self, path: str | Path) -> None:
        """Writes the `tokenizer.json`, which cuts a text after `longest` tokens."""
        content = json.loads(self.content)
        cut = {**truncation(self.longest), **(content.get("truncation") or {})}
        cut["max_length"] = self.longest
        write_tokenizer_json(path, {**content, "truncation": cut})


@runtime_checkable
class _Tokenizer(Protocol):
    """A `tokenizers.Tokenizer`."""

    def to_str(self, pretty: bool = False) -> str: ...

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]: ...


@reads_foreign
def read_tokenizer(
    value: object, special_ids: SpecialIds | None, name: str, writes: bool
) -> TokenizersVocabulary | None:
    """The vocabulary of a `tokenizers.Tokenizer` or its file; None of anything else."""
    if isinstance(value, (str, Path)) and Path(value).suffix == ".json":
        if not Path(value).is_file():
            raise ValueError(f"{name}: expected a tokenizer.json, received no file {value!r}.")
        content = Path(value).read_text("utf-8")
        try:
            tokenizer = require("tokenizers", "tokenizers").Tokenizer.from_str(content)
        except ImportError:
            raise
        except Exception as error:  # the package raises nothing more specific
            raise ValueError(
                f"{name}: expected a tokenizer.json, received {str(value)!r}, which the package "
                f"tokenizers cannot read: {str(error).splitlines()[0]}"
            ) from error
    elif isinstance(value, _Tokenizer):
        tokenizer, content = value, value.to_str()
    else:
        return None
    tokens = tuple(_by_id(tokenizer.get_vocab(with_added_tokens=True)))
    unknown = _unknown_token(json.loads(content))
    tokens, special = find_special_ids(
        tokens,
        special_ids,
        name,
        writes,
        unknown=tokens.index(unknown) if unknown in tokens else None,
    )
    return TokenizersVocabulary(tokens, special, content)


def _by_id(ids: Mapping[str, int]) -> list[str]:
    """The tokens by id; an id that no token has gets a name of its own."""
    tokens = [f"<id {i}>" for i in range(max(ids.values(), default=-1) + 1)]
    for token, i in ids.items():
        tokens[i] = token
    return tokens


def _unknown_token(content: Mapping[str, Any]) -> str | None:
    model = content.get("model") or {}
    if model.get("type") == "Unigram":
        number = model.get("unk_id")
        return None if number is None else model["vocab"][number][0]
    return model.get("unk_token")
