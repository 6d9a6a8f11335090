"""Vocabularies of characters and of words: text to ids and back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keras_attention._core.checks import check_choice, check_flag, check_positive
from keras_attention._core.types import Config
from keras_attention.text.bounds import LONGEST, LOOKAHEAD, cut_text
from keras_attention.text.graph import GraphVocabulary
from keras_attention.text.protocol import GraphVocabularyLike
from keras_attention.text.special_ids import (
    END,
    PAD,
    SPECIALS,
    START,
    UNKNOWN,
    SpecialIds,
)
from keras_attention.text.tokenizer_json import vocabulary_tokenizer, write_tokenizer_json

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "END",
    "PAD",
    "SPECIALS",
    "START",
    "UNKNOWN",
    "Vocabulary",
    "vocabulary_from_config",
]

# The subclasses of `Vocabulary` by the "kind" in their configuration.
_KINDS: dict[str, type[Vocabulary]] = {}


class Vocabulary:
    """The tokens of one side of a model, and how a text is split into them.

    The ids are 0 for padding, 1 for start, 2 for end and 3 for unknown tokens;
    the tokens have the ids from 4 on.

    A subclass gives the name under which its configuration is found again:
    `class Syllables(Vocabulary, kind="syllables")`. Its `get_config` returns
    this name under `"kind"`.

    Args:
        tokens: the tokens, without the four special ones.
        separator: the string between the tokens of a text: `""` if every
            character is a token, `" "` if every word is.
        lowercase: whether to lowercase a text first.
        longest: a text is cut after this many tokens, to bound memory.

    Attributes:
        tokens: all tokens by id, the four special ones first.
        special_ids: `SpecialIds`: 0, 1, 2 and 3.

    Raises:
        ValueError: for repeated tokens, special tokens among them, another
            separator, tokens that contain the separator, and a `longest` that
            is not a positive integer.

    Example:

    >>> from keras_attention.text import Vocabulary
    >>> letters = Vocabulary("abc", lowercase=True)
    >>> letters.encode("Cab?")
    [6, 4, 5, 3]
    >>> letters.decode([6, 4, 5, 2, 0])
    'cab'
    """

    special_ids: SpecialIds = SpecialIds()

    tokens: tuple[str, ...]
    separator: str
    lowercase: bool
    longest: int
    _ids: dict[str, int]

    def __init_subclass__(cls, kind: str | None = None) -> None:
        super().__init_subclass__()
        if kind is not None:
            _KINDS[kind] = cls

    def __init__(
        self,
        tokens: Iterable[str],
        separator: Literal["", " "] = "",
        lowercase: bool = False,
        longest: int = LONGEST,
    ) -> None:
        check_choice("separator", separator, ("", " "))
        self._set_tokens(tokens)
        for token in self.tokens[len(SPECIALS) :]:
            unit = len(token) == 1 if separator == "" else len(token.split()) == 1
            if not unit or (token != token.strip() and separator):
                kind = "single characters" if separator == "" else "words without spaces"
                raise ValueError(f"tokens: expected {kind}, received {token!r}.")
        self.separator = separator
        self.lowercase = check_flag("lowercase", lowercase)
        self.longest = check_positive("longest", longest)

    def _set_tokens(self, tokens: Iterable[str]) -> None:
        if not isinstance(tokens, Iterable):
            raise ValueError(f"tokens: expected strings, received {_short(tokens)}.")
        tokens = tuple(tokens)
        for token in tokens:
            if not isinstance(token, str):
                raise ValueError(f"tokens: expected strings, received {token!r}.")
        if len(set(tokens)) < len(tokens) or set(tokens) & set(SPECIALS):
            raise ValueError(
                f"tokens: expected each once and none of {', '.join(SPECIALS)}, received "
                f"{len(tokens)} tokens of which {len(set(tokens))} differ."
            )
        self.tokens = SPECIALS + tokens
        # The special tokens have no entry: a text that contains "<end>" does not end there.
        self._ids = {token: i for i, token in enumerate(self.tokens) if i > UNKNOWN}

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        separator: Literal["", " "] = "",
        lowercase: bool = False,
        size: int | None = None,
        longest: int = LONGEST,
    ) -> Self:
        """The vocabulary of the tokens that occur in `texts`.

        Args:
            texts: strings.
            separator, lowercase, longest: see the constructor. Tokens of whole
                texts are counted.
            size: the largest number of ids, including the four special ones; the
                most frequent tokens are kept. By default all are kept, sorted.

        Raises:
            ValueError: if `texts` is one string.
        """
        counts: Counter[str] = Counter()
        for text in check_texts(texts):
            counts.update(_split(text, separator, lowercase))
        kept = sorted(counts)
        if size is not None:
            kept = sorted(kept, key=lambda token: -counts[token])[: size - len(SPECIALS)]
        tokens = (token for token in kept if token not in SPECIALS)
        return cls(tokens, separator, lowercase, longest)

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.get_config() == other.get_config()

    __hash__ = None  # type: ignore[assignment]

    def split(self, text: str) -> list[str]:
        """The first `longest` tokens of a text."""
        text = cut_text(check_text("split", text), self.longest)
        return _split(text, self.separator, self.lowercase, self.longest)

    def encode(self, text: str) -> list[int]:
        """The ids of the first `longest` tokens of a text; an unknown token becomes 3.

        Raises:
            ValueError: if `text` is not a string.
        """
        return self.to_ids(self.split(check_text("encode", text)))

    def to_ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of what `split` returned, 3 for a token that is not in the vocabulary."""
        return [self._ids.get(token, UNKNOWN) for token in tokens]

    def to_tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens of a sequence of ids up to its end, without start and padding.

        Raises:
            ValueError: if `ids` is not one sequence of integers, or has an id
                that the vocabulary does not have.
        """
        kept, special = [], self.special_ids
        for position, i in enumerate(_integers("to_tokens", ids)):
            # The start may be the end: at the first position it is the start.
            if i == special.end and not (position == 0 and i == special.start):
                break
            if not 0 <= i < len(self.tokens):
                raise ValueError(f"ids: expected ids from 0 to {len(self) - 1}, received {i}.")
            if i not in special.hidden:
                kept.append(self.tokens[i])
        return kept

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence of ids up to its end, without start and padding.

        Raises:
            ValueError: if `ids` is not one sequence of integers, or has an id
                that the vocabulary does not have.
        """
        return self.join(self.to_tokens(_integers("decode", ids)))

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of tokens."""
        return self.separator.join(tokens)

    def in_graph(self) -> GraphVocabularyLike:
        """The same vocabulary as operations of a TensorFlow graph."""
        return GraphVocabulary(self.tokens, self.separator, self.lowercase, self.longest)

    def get_config(self) -> Config:
        """A dictionary that JSON can hold."""
        return {
            "tokens": list(self.tokens[len(SPECIALS) :]),
            "separator": self.separator,
            "lowercase": self.lowercase,
            "longest": self.longest,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The vocabulary that `get_config` described."""
        return cls(**{name: value for name, value in config.items() if name != "kind"})

    def save(self, path: str | Path) -> None:
        """Writes the vocabulary as JSON."""
        Path(path).write_text(json.dumps(self.get_config(), ensure_ascii=False), "utf-8")

    @staticmethod
    def load(path: str | Path) -> Vocabulary:
        """Reads a file that `save` wrote; the result has the class that was saved.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if the file holds no vocabulary.
        """
        try:
            return vocabulary_from_config(json.loads(Path(path).read_text("utf-8")))
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise ValueError(
                f"path: expected a file that Vocabulary.save wrote, received {str(path)!r}: {error}"
            ) from error

    def write_tokenizer(self, path: str | Path) -> None:
        """Writes a `tokenizer.json` from which the `tokenizers` package gives the same ids."""
        content = vocabulary_tokenizer(self.tokens, self.separator, self.lowercase, self.longest)
        write_tokenizer_json(path, content)


def vocabulary_from_config(config: Config) -> Vocabulary:
    """The vocabulary that a `get_config` described: a `Vocabulary` or one of its subclasses.

    Args:
        config: a dictionary; its `"kind"`, if any, names a subclass.

    Raises:
        ValueError: for anything but a dictionary, and for an unknown kind.

    Example:

    >>> from keras_attention.text import Vocabulary, vocabulary_from_config
    >>> vocabulary_from_config(Vocabulary("abc").get_config()).tokens[4:]
    ('a', 'b', 'c')
    """
    if not isinstance(config, dict):
        raise ValueError(f"config: expected a dictionary, received {_short(config)}.")
    if "kind" not in config:
        return Vocabulary.from_config(config)
    check_choice("kind", config["kind"], tuple(_KINDS))
    return _KINDS[config["kind"]].from_config(config)


def check_text(method: str, text: str) -> str:
    """Refuses anything but one string, and says how to pass several."""
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        hint = f" Write {method}(text.decode())."
    elif isinstance(text, Sequence) and all(isinstance(part, str) for part in text):
        hint = f" For several texts write [vocabulary.{method}(text) for text in texts]."
    else:
        hint = ""
    raise ValueError(
        f"text: expected one string, received a {type(text).__name__}, {_short(text)}.{hint}"
    )


def check_texts(texts: Iterable[str]) -> Iterable[str]:
    """Refuses one string in place of several."""
    if isinstance(texts, str):
        raise ValueError(
            f"texts: expected several strings, received one, {_short(texts)}. "
            "For a single text write [text]."
        )
    return texts


def _integers(method: str, ids: Iterable[int]) -> list[int]:
    try:
        return [int(i) for i in ids]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"ids: expected one sequence of integers, received a {type(ids).__name__}, "
            f"{_short(ids)}. For a batch write [vocabulary.{method}(row) for row in ids]."
        ) from error


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _split(text: str, separator: str, lowercase: bool, longest: int | None = None) -> list[str]:
    if separator == "":
        # The space of both ends is no token, and has no part in how others are lowercased.
        text = text.strip()[: None if longest is None else longest + LOOKAHEAD]
    if lowercase:
        text = text.lower()
    return text.split()[:longest] if separator else list(text[:longest])
