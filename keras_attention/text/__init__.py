"""Vocabularies: text to ids and back, in Python and inside a TensorFlow graph."""

from keras_attention.text.graph import GraphVocabulary, graph_vocabulary
from keras_attention.text.subwords import Subwords
from keras_attention.text.vocabulary import (
    END,
    PAD,
    SPECIALS,
    START,
    UNKNOWN,
    Vocabulary,
    vocabulary_from_config,
)

__all__ = [
    "END",
    "PAD",
    "SPECIALS",
    "START",
    "UNKNOWN",
    "GraphVocabulary",
    "Subwords",
    "Vocabulary",
    "graph_vocabulary",
    "vocabulary_from_config",
]
