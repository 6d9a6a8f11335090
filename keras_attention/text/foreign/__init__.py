"""Vocabularies that were made elsewhere: Keras' layers, tokenizers, SentencePiece, KerasHub.

`as_vocabulary` accepts the originals, see the classes for what each supports:

| original | in Python needs | in the graph needs |
|---|---|---|
| `keras.layers.TextVectorization`, `StringLookup` | nothing | TensorFlow |
| SentencePiece model | the extra `text` | the extra `text` |
| `tokenizers.Tokenizer` and its file | the extra `tokenizers` | `text`, BERT's WordPiece only |
| KerasHub `WordPieceTokenizer`, `BytePairTokenizer` | KerasHub | KerasHub |
"""

from keras_attention.text.foreign.hugging_face import TokenizersVocabulary
from keras_attention.text.foreign.keras_hub import KerasHubVocabulary
from keras_attention.text.foreign.lookup import LookupVocabulary
from keras_attention.text.foreign.sentence_piece import SentencePieceVocabulary

__all__ = [
    "KerasHubVocabulary",
    "LookupVocabulary",
    "SentencePieceVocabulary",
    "TokenizersVocabulary",
]
