"""Vocabularies as operations of a TensorFlow graph.

This module alone in `keras_attention.text` needs TensorFlow, and imports it when a vocabulary is
made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.text.bounds import LONGEST, LOOKAHEAD, characters_read
from keras_attention.text.patterns import CONTINUED, LONGEST_WORD, SPACE, SPACES, WORDS
from keras_attention.text.protocol import GraphVocabularyLike, VocabularyLike
from keras_attention.text.special_ids import END, PAD, SPECIALS, UNKNOWN

# What `str.split` takes for space; TensorFlow's own operations know only ASCII spaces.
_PYTHON_SPACES = r"[\p{Z}\t-\r\x1c-\x1f\x{85}]+"


class GraphVocabulary:
    """A `Vocabulary` as TensorFlow lookups: strings to ids and back.

    It uses operations of TensorFlow alone, so that an exported model loads
    wherever TensorFlow does.

    Args:
        tokens: all tokens by id, the four special ones first.
        separator, lowercase, longest: see `Vocabulary`.

    Attributes:
        resources: lookup tables that a SavedModel has to track.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.text import Vocabulary
    >>> graph = Vocabulary("abc").in_graph()
    >>> graph.encode(tf.constant(["cab", "b"])).numpy().tolist()
    [[6, 4, 5], [5, 0, 0]]
    """

    def __init__(
        self,
        tokens: Sequence[str],
        separator: str = "",
        lowercase: bool = False,
        longest: int = LONGEST,
    ) -> None:
        import tensorflow as tf

        self._tf = tf
        self._separator = separator
        self._lowercase = lowercase
        self._longest = longest
        known = tf.constant(tokens[len(SPECIALS) :], tf.string)
        ids = tf.range(len(SPECIALS), len(tokens), dtype=tf.int32)
        entries = tf.lookup.KeyValueTensorInitializer(known, ids)
        self.table = tf.lookup.StaticHashTable(entries, default_value=UNKNOWN)
        self.resources: list[Any] = [self.table]
        self._tokens = tf.constant(tokens)

    def split(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to a ragged tensor of their tokens."""
        strings = self._tf.strings
        texts = cut_texts(texts, self._longest)
        if self._separator == "":
            ends = f"^{_PYTHON_SPACES}|{_PYTHON_SPACES}$"
            texts = strings.regex_replace(texts, ends, "")
            texts = strings.substr(texts, 0, self._longest + LOOKAHEAD, unit="UTF8_CHAR")
        if self._lowercase:
            texts = self._lower(texts)
        if self._separator:
            tokens = strings.split(strings.regex_replace(texts, _PYTHON_SPACES, " "))
        else:
            tokens = strings.unicode_split(texts, "UTF-8")
        return tokens[:, : self._longest]

    def _lower(self, texts: Tensor) -> Tensor:
        strings = self._tf.strings
        # The operation ends a text at a NUL.
        parts = strings.split(texts, sep="\0")
        lowered = strings.lower(parts.flat_values, encoding="utf-8")
        # Nor can a NUL be the separator of a join.
        lowered = parts.with_flat_values(strings.join([lowered, "\0"]))
        return strings.regex_replace(strings.reduce_join(lowered, axis=-1), r"\x00$", "")

    def tokens(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to `(B, T)` tokens, padded with empty strings; T is at least 1."""
        tokens = self.split(texts).to_tensor("")
        # A recurrent encoder needs at least one position.
        missing = self._tf.maximum(0, 1 - self._tf.shape(tokens)[1])
        return self._tf.pad(tokens, [[0, 0], [0, missing]], constant_values="")

    def ids(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B, T)` ids, padded."""
        return self._tf.where(self._tf.equal(tokens, ""), PAD, self.table.lookup(tokens))

    def encode(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to `(B, T)` ids, padded."""
        return self.ids(self.tokens(texts))

    def to_tokens(self, ids: Tensor) -> Tensor:
        """`(B, T)` ids to `(B, T)` tokens; padding, start and end become empty strings."""
        tokens = self._tf.gather(self._tokens, ids)
        return self._tf.where(ids <= END, "", tokens)

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        ragged = self._tf.ragged.boolean_mask(tokens, self._tf.not_equal(tokens, ""))
        return self._tf.strings.reduce_join(ragged, axis=-1, separator=self._separator)


class GraphSubwords(GraphVocabulary):
    """A `Subwords` as TensorFlow operations: strings to ids and back.

    A model exported with it needs the operations of tensorflow-text where it is
    loaded; TensorFlow Serving has them. Bytes that are not UTF-8 become U+FFFD.

    Args:
        tokens: all tokens by id, the four special ones first.
        longest: a text is cut after this many pieces.

    Raises:
        ImportError: without the extra `text`.

    Example:

    >>> from keras_attention.text import Subwords
    >>> graph = Subwords(["▁un", "##seen"]).in_graph()
    >>> graph.encode(["unseen", ""]).numpy().tolist()
    [[4, 5], [0, 0]]
    """

    def __init__(self, tokens: Sequence[str], longest: int = LONGEST) -> None:
        super().__init__(tokens, longest=longest)
        self._text = require("tensorflow_text", "text")
        self._pieces = self._text.FastWordpieceTokenizer(
            vocab=list(tokens),
            suffix_indicator=CONTINUED,
            unknown_token=SPECIALS[UNKNOWN],
            # Longer than any word that `_words` gives.
            max_bytes_per_word=8 * LONGEST_WORD,
            token_out_type=self._tf.int32,
            no_pretokenization=True,
        )

    def split(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to a ragged tensor of their pieces."""
        tf = self._tf
        words = self._words(cut_texts(texts, self._longest))
        ids = self._pieces.tokenize(words.flat_values)
        # An unknown word has one id and stays as it is.
        whole = tf.repeat(words.flat_values, ids.row_lengths())
        pieces = tf.gather(self._tokens, ids.flat_values)
        pieces = tf.where(tf.equal(ids.flat_values, UNKNOWN), whole, pieces)
        limits = tf.gather(ids.row_splits, words.row_splits)
        return tf.RaggedTensor.from_row_splits(pieces, limits)[:, : self._longest]

    def _words(self, texts: Tensor) -> Tensor:
        strings = self._tf.strings
        texts = strings.regex_replace(self._text.normalize_utf8(texts, "NFKC"), SPACES, " ")
        texts = strings.regex_replace(texts, "^ | $", "")
        texts = strings.regex_replace(strings.regex_replace(texts, "^(.)", " \\1"), " ", SPACE)
        # TensorFlow splits at spaces: put one after every word.
        return strings.split(strings.regex_replace(texts, f"({WORDS})", "\\1 "))

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        strings, unknown = self._tf.strings, SPECIALS[UNKNOWN]
        tokens = strings.regex_replace(tokens, f"^{CONTINUED}", "")
        tokens = strings.regex_replace(tokens, f"^{unknown}$", SPACE + unknown)
        texts = strings.regex_replace(strings.reduce_join(tokens, axis=-1), SPACE, " ")
        return strings.regex_replace(texts, "^ +| +$", "")


def cut_texts(texts: Tensor, longest: int) -> Tensor:
    """`keras_attention.text.bounds.cut_text` of `(B,)` strings; other bytes than UTF-8 are U+FFFD.

    Example:

    >>> from keras_attention.text.graph import cut_texts
    >>> found = cut_texts([b"a\\xff", b"a" * 100_000], 512).numpy()
    >>> found[0] == "a\\ufffd".encode(), len(found[1])
    (True, 65536)
    """
    import tensorflow as tf

    # First as bytes, of which a character has at most four.
    count = characters_read(longest)
    texts = tf.strings.substr(texts, 0, 4 * count)
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    return tf.strings.substr(texts, 0, count, unit="UTF8_CHAR")


def graph_vocabulary(vocabulary: VocabularyLike) -> GraphVocabularyLike:
    """A vocabulary as operations of a TensorFlow graph, see `GraphVocabularyLike`.

    Args:
        vocabulary: a `Vocabulary`, a `Subwords` (which needs the extra `text`),
            or any `VocabularyLike`.

    Returns:
        What the vocabulary's `in_graph` returns, such as a `GraphVocabulary`.

    Example:

    >>> from keras_attention.text import Vocabulary, graph_vocabulary
    >>> graph_vocabulary(Vocabulary("abc")).encode(["cab"]).numpy().tolist()
    [[6, 4, 5]]
    """
    return vocabulary.in_graph()
