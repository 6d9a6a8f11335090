"""Vocabularies: text to ids and back, in Python and inside a TensorFlow graph."""

from keras_attention.text.foreign import (
    KerasHubVocabulary,
    LookupVocabulary,
    SentencePieceVocabulary,
    TokenizersVocabulary,
)
from keras_attention.text.graph import GraphSubwords, GraphVocabulary, graph_vocabulary
from keras_attention.text.protocol import (
    GraphVocabularyLike,
    HasLongest,
    SplitsWords,
    VocabularyLike,
)
from keras_attention.text.special_ids import (
    END,
    PAD,
    SPECIALS,
    START,
    UNKNOWN,
    SpecialIds,
    as_special_ids,
)
from keras_attention.text.subwords import Subwords
from keras_attention.text.vocabularies import as_vocabulary, vocabulary_size
from keras_attention.text.vocabulary import Vocabulary, vocabulary_from_config

__all__ = [
    "END",
    "PAD",
    "SPECIALS",
    "START",
    "UNKNOWN",
    "GraphSubwords",
    "GraphVocabulary",
    "GraphVocabularyLike",
    "HasLongest",
    "KerasHubVocabulary",
    "LookupVocabulary",
    "SentencePieceVocabulary",
    "SpecialIds",
    "SplitsWords",
    "Subwords",
    "TokenizersVocabulary",
    "Vocabulary",
    "VocabularyLike",
    "as_special_ids",
    "as_vocabulary",
    "graph_vocabulary",
    "vocabulary_from_config",
    "vocabulary_size",
]
