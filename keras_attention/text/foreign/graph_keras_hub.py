"""Tokenizers of KerasHub as operations of a TensorFlow graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_attention._core.types import Tensor
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_pieces import GraphBytes, GraphWordPieces

if TYPE_CHECKING:
    from keras_attention.text.foreign.keras_hub import KerasHubVocabulary


class GraphKerasHub(GraphForeign):
    """A `KerasHubVocabulary` in a graph.

    Args:
        vocabulary: the vocabulary.
        tokenizer: KerasHub's.
    """

    def __init__(self, vocabulary: KerasHubVocabulary, tokenizer: Any) -> None:
        super().__init__(vocabulary)
        self._tokenizer = tokenizer
        self.resources.append(tokenizer)
        # Outside of a graph KerasHub returns lists.
        spec = self._tf.TensorSpec((None,), self._tf.string)
        self._tokenize = self._tf.function(tokenizer.tokenize, [spec], autograph=False)
        self._join: GraphBytes | GraphWordPieces
        if vocabulary.algorithm == "byte_pair":
            self._join = GraphBytes()
            self.resources.append(self._join.table)
        else:
            self._join = GraphWordPieces(vocabulary.options["suffix_indicator"])

    def _split(self, texts: Tensor) -> Tensor:
        tf = self._tf
        ids = self._tokenize(tf.strings.regex_replace(texts, r"\x00", " "))
        flat = tf.gather(self._tokens, tf.cast(ids.flat_values, tf.int32))
        return ids.with_flat_values(flat)

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        return self._join(tokens)
