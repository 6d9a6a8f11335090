"""`TextVectorization` and `StringLookup` as operations of a TensorFlow graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_attention._core.types import Tensor
from keras_attention.text.foreign.graph import GraphForeign

if TYPE_CHECKING:
    from keras_attention.text.foreign.lookup import LookupVocabulary

_PUNCTUATION = r"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""


class GraphLookup(GraphForeign):
    """A `LookupVocabulary` in a graph: what the layer does, with operations of TensorFlow alone."""

    def __init__(self, vocabulary: LookupVocabulary) -> None:
        super().__init__(vocabulary)
        self._standardize, self._split_by = vocabulary.standardize, vocabulary.split_by
        self._ngrams, self._separator = vocabulary.ngrams, vocabulary.separator

    def _split(self, texts: Tensor) -> Tensor:
        tf, strings = self._tf, self._tf.strings
        if self._standardize in ("lower", "lower_and_strip_punctuation"):
            texts = strings.lower(texts)
        if self._standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            texts = strings.regex_replace(texts, _PUNCTUATION, "")
        if callable(self._standardize):
            texts = self._standardize(texts)
        if callable(self._split_by):
            tokens = self._split_by(texts)
        elif self._split_by == "whitespace":
            tokens = strings.split(texts)
        elif self._split_by == "character":
            tokens = strings.unicode_split(texts, "UTF-8")
        else:
            tokens = tf.expand_dims(texts, 1)
        if not isinstance(tokens, tf.RaggedTensor):
            tokens = tf.RaggedTensor.from_tensor(tokens)
        # The layer maps an empty token to padding.
        tokens = tf.ragged.boolean_mask(tokens, tf.not_equal(tokens, ""))
        if self._ngrams is not None:
            tokens = strings.ngrams(tokens, ngram_width=self._ngrams, separator=" ")
        return tokens

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        ragged = self._tf.ragged.boolean_mask(tokens, self._tf.not_equal(tokens, ""))
        return self._tf.strings.reduce_join(ragged, axis=-1, separator=self._separator)
