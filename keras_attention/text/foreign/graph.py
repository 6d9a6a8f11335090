"""Vocabularies that were made elsewhere as operations of a TensorFlow graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_attention._core.types import Tensor
from keras_attention.text.graph import cut_texts

if TYPE_CHECKING:
    from keras_attention.text.foreign.base import ForeignVocabulary


class GraphForeign:
    """A `ForeignVocabulary` as operations of a TensorFlow graph; a subclass defines `_split`.

    Args:
        vocabulary: the vocabulary.

    Attributes:
        resources: objects that a SavedModel has to track, such as lookup tables.
    """

    def __init__(self, vocabulary: ForeignVocabulary) -> None:
        import tensorflow as tf

        self._tf, self._special = tf, vocabulary.special_ids
        self._longest = vocabulary.longest
        tokens = list(vocabulary.tokens)
        unknown = self._special.unknown
        first = {token: i for i, token in reversed(list(enumerate(tokens)))}
        entries = tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(first), tf.string), tf.constant(list(first.values()), tf.int32)
        )
        self.table = tf.lookup.StaticHashTable(entries, -1 if unknown is None else unknown)
        self.resources: list[Any] = [self.table]
        self._tokens = tf.constant(tokens, tf.string)

    def split(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to a ragged tensor of their tokens."""
        return self._split(cut_texts(texts, self._longest))[:, : self._longest]

    def _split(self, texts: Tensor) -> Tensor:
        """`split` of texts that are cut, as a ragged tensor that may have more tokens."""
        raise NotImplementedError

    def split_one(self, text: str) -> list[str]:
        """The tokens of one text, eagerly."""
        with self._tf.device("CPU:0"):
            tokens = self.split(self._tf.constant([text]))
        return [token.decode("utf-8", "replace") for token in tokens.flat_values.numpy()]

    def tokens(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to `(B, T)` tokens, padded with empty strings; T is at least 1."""
        tokens = self.split(texts).to_tensor("")
        # A recurrent encoder needs at least one position.
        missing = self._tf.maximum(0, 1 - self._tf.shape(tokens)[1])
        return self._tf.pad(tokens, [[0, 0], [0, missing]], constant_values="")

    def ids(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B, T)` ids, padded."""
        tf = self._tf
        ids = tf.where(tf.equal(tokens, ""), self._special.pad, self.table.lookup(tokens))
        if self._special.unknown is not None:
            return ids
        message = "text: expected tokens of the vocabulary, which has no unknown token"
        check = tf.debugging.assert_non_negative(ids, message)
        with tf.control_dependencies([] if check is None else [check]):
            return tf.identity(ids)

    def encode(self, texts: Tensor) -> Tensor:
        """`(B,)` strings to `(B, T)` ids, padded."""
        return self.ids(self.tokens(texts))

    def to_tokens(self, ids: Tensor) -> Tensor:
        """`(B, T)` ids to `(B, T)` tokens; padding, start and end become empty strings."""
        tf = self._tf
        tokens = tf.gather(self._tokens, ids)
        for i in self._special.hidden:
            tokens = tf.where(tf.equal(ids, i), "", tokens)
        return tokens

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        raise NotImplementedError
