"""Vocabularies: text to ids and back, in Python and inside a TensorFlow graph."""

from keras_attention.text.graph import GraphSubwords, GraphVocabulary, graph_vocabulary
from keras_attention.text.protocol import GraphVocabularyLike, VocabularyLike
from keras_attention.text.special_ids import END, PAD, SPECIALS, START, UNKNOWN
from keras_attention.text.subwords import Subwords
from keras_attention.text.vocabulary import (
    Vocabulary,
    as_vocabulary,
    vocabulary_from_config,
    vocabulary_size,
)

__all__ = [
    "END",
    "PAD",
    "SPECIALS",
    "START",
    "UNKNOWN",
    "GraphSubwords",
    "GraphVocabulary",
    "GraphVocabularyLike",
    "Subwords",
    "Vocabulary",
    "VocabularyLike",
    "as_vocabulary",
    "graph_vocabulary",
    "vocabulary_from_config",
    "vocabulary_size",
]
