"""A vocabulary of pieces of words: WordPiece over marked words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Config
from keras_attention.text.bounds import LONGEST, cut_text
from keras_attention.text.graph import GraphSubwords
from keras_attention.text.patterns import CONTINUED, SPACE, words_of
from keras_attention.text.protocol import GraphVocabularyLike
from keras_attention.text.special_ids import SPECIALS, UNKNOWN
from keras_attention.text.tokenizer_json import subwords_tokenizer, write_tokenizer_json
from keras_attention.text.vocabulary import Vocabulary, check_text, check_texts
from keras_attention.text.word_pieces import learn_pieces, words_of_pieces

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CONTINUED", "SPACE", "Subwords"]


class Subwords(Vocabulary, kind="subwords"):
    """A vocabulary of pieces of words, which leaves few words unknown.

    A text is normalized (NFKC, one space for any white space). The space before
    a word becomes a part of the word (`"▁"`), and punctuation is split off.
    Every word is then split from left to right into the longest known pieces; a
    piece inside a word is written with `"##"`. Joined again, the pieces give the
    normalized text. A word that cannot be split, because one of its characters
    is not known, is unknown as a whole, and `split` returns it unchanged.

    The same ids come from `encode`, from `in_graph` (with tensorflow-text) and
    from the `tokenizers` package with the file that `write_tokenizer` writes.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016; the
    mark: Kudo and Richardson, "SentencePiece", 2018.

    Args:
        tokens: the pieces, without the four special tokens.
        longest: a text is cut after this many pieces, to bound memory.

    Raises:
        ValueError: for repeated, special or empty pieces, pieces with spaces,
            and a `longest` that is not a positive integer.

    Example:

    >>> from keras_attention.text import Subwords
    >>> pieces = Subwords(["▁un", "##seen", "▁word", "##s", "!"])
    >>> pieces.split("unseen  words!")
    ['▁un', '##seen', '▁word', '##s', '!']
    >>> pieces.decode(pieces.encode("unseen  words!"))
    'unseen words!'
    """

    def __init__(self, tokens: Iterable[str], longest: int = LONGEST) -> None:
        self.longest = check_positive("longest", longest)
        self._set_tokens(tokens)
        for token in self.tokens[len(SPECIALS) :]:
            if token in ("", CONTINUED) or len(token.split()) != 1 or SPACE in token[1:]:
                raise ValueError(f"tokens: expected pieces of words, received {token!r}.")
        self.separator, self.lowercase = "", False
        self._known: dict[str, tuple[str, ...]] = {}

    @classmethod
    def from_texts(  # type: ignore[override]
        cls, texts: Iterable[str], size: int = 5000, longest: int = LONGEST, alphabet: int = 400
    ) -> Self:
        """Learns pieces from texts, see `keras_attention.text.word_pieces`.

        Every word whose characters are all known is known.

        Args:
            texts: strings.
            size: the largest number of ids, including the four special ones;
                every known character has two.
            longest: see the constructor.
            alphabet: the largest number of known characters.

        Raises:
            ValueError: if `texts` contains no word, or is one string.
        """
        check_positive("size", size)
        check_positive("alphabet", alphabet)
        words = Counter(word for text in check_texts(texts) for word in words_of(text))
        if not words:
            raise ValueError("texts: expected some words to learn from, received none.")
        pieces = learn_pieces(words, size - len(SPECIALS), alphabet, SPACE, CONTINUED)
        return cls(pieces, longest)

    def split(self, text: str) -> list[str]:
        """The pieces of a text; an unknown word stays as it is."""
        pieces: list[str] = []
        for word in words_of(cut_text(check_text("split", text), self.longest)):
            if word not in self._known:
                self._known[word] = self._pieces(word)
            pieces += self._known[word]
            if len(pieces) >= self.longest:
                break
        return pieces[: self.longest]

    def _pieces(self, word: str) -> tuple[str, ...]:
        pieces, begin = [], 0
        while begin < len(word):
            prefix = CONTINUED if begin else ""
            for end in range(len(word), begin, -1):
                piece = prefix + word[begin:end]
                if piece in self._ids:
                    break
            else:
                return (word,)
            pieces.append(piece)
            begin = end
        return tuple(pieces)

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of pieces."""
        return "".join(map(_shown, tokens)).replace(SPACE, " ").strip(" ")

    def whole_words(self, tokens: Sequence[str]) -> list[str]:
        """For each piece of a text the word that it belongs to."""
        return words_of_pieces(tokens, lambda token: not token.startswith(CONTINUED), self.join)

    def word_token(self, word: str) -> str:
        """A whole word as one token, which `join` writes as a word of its own."""
        return SPACE + word

    def in_graph(self) -> GraphVocabularyLike:
        """The same vocabulary as operations of a TensorFlow graph; needs the extra `text`."""
        return GraphSubwords(self.tokens, self.longest)

    def get_config(self) -> Config:
        """A dictionary that JSON can hold."""
        pieces = list(self.tokens[len(SPECIALS) :])
        return {"kind": "subwords", "tokens": pieces, "longest": self.longest}

    def write_tokenizer(self, path: str | Path) -> None:
        """Writes a `tokenizer.json` from which the `tokenizers` package gives the same ids."""
        write_tokenizer_json(path, subwords_tokenizer(self.tokens, self.longest))


def _shown(token: str) -> str:
    if token == SPECIALS[UNKNOWN]:
        return SPACE + token
    return token.removeprefix(CONTINUED)
