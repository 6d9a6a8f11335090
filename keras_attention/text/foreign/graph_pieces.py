"""How tokens of other tokenizers become text again, as operations of a TensorFlow graph."""

from __future__ import annotations

import re

from keras_attention._core.types import Tensor
from keras_attention.text.foreign.pieces import SPACE, bytes_of_characters


class GraphBytes:
    """`join_bytes` for `(B, T)` tokens, padded with empty strings.

    Attributes:
        table: what a SavedModel has to track.
    """

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        table = bytes_of_characters()
        entries = tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(table), tf.string),
            tf.constant([bytes([i]) for i in table.values()], tf.string),
        )
        # No character stands for an empty string.
        self.table = tf.lookup.StaticHashTable(entries, "")

    def __call__(self, tokens: Tensor) -> Tensor:
        tf = self._tf
        characters = tf.strings.unicode_split(tf.strings.reduce_join(tokens, axis=-1), "UTF-8")
        flat = characters.flat_values
        found = self.table.lookup(flat)
        flat = tf.where(tf.equal(found, ""), flat, found)
        texts = tf.strings.reduce_join(characters.with_flat_values(flat), axis=-1)
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


class GraphSentencePieces:
    """`join_sentence_pieces` for `(B, T)` tokens, padded with empty strings.

    Attributes:
        table: what a SavedModel has to track.
    """

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        names = tf.constant([f"<0x{i:02X}>" for i in range(256)], tf.string)
        values = tf.constant([bytes([i]) for i in range(256)], tf.string)
        entries = tf.lookup.KeyValueTensorInitializer(names, values)
        self.table = tf.lookup.StaticHashTable(entries, "")

    def __call__(self, tokens: Tensor) -> Tensor:
        tf, strings = self._tf, self._tf.strings
        found = self.table.lookup(tokens)
        tokens = tf.where(tf.equal(found, ""), tokens, found)
        texts = strings.reduce_join(tokens, axis=-1)
        texts = strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        return strings.regex_replace(strings.regex_replace(texts, SPACE, " "), "^ ", "")


class GraphWordPieces:
    """`join_word_pieces` for `(B, T)` tokens, padded with empty strings.

    Args:
        continued: the prefix of a piece inside a word.
        cleans: whether there is no space before a punctuation mark.
    """

    def __init__(self, continued: str, cleans: bool = False) -> None:
        import tensorflow as tf

        self._tf, self._continued, self._cleans = tf, re.escape(continued), cleans

    def __call__(self, tokens: Tensor) -> Tensor:
        tf, strings = self._tf, self._tf.strings
        ragged = tf.ragged.boolean_mask(tokens, tf.not_equal(tokens, ""))
        if not self._continued:
            return strings.reduce_join(ragged, axis=-1, separator=" ")
        flat = ragged.flat_values
        inside = strings.regex_full_match(flat, f"{self._continued}(?s:.*)")
        # The first token of a text has no word before it, and stays as it is.
        first = tf.zeros_like(inside)
        begins = tf.boolean_mask(ragged.row_starts(), ragged.row_lengths() > 0)
        ones = tf.ones_like(begins, tf.bool)
        first = tf.tensor_scatter_nd_update(first, tf.expand_dims(begins, 1), ones)
        shown = strings.regex_replace(flat, f"^{self._continued}", "")
        spaced = strings.join([tf.where(first, "", " "), flat])
        flat = tf.where(tf.logical_and(inside, tf.logical_not(first)), shown, spaced)
        if self._cleans:
            flat = strings.regex_replace(flat, "^ ([.?!,])$", r"\1")
        return strings.reduce_join(ragged.with_flat_values(flat), axis=-1)
