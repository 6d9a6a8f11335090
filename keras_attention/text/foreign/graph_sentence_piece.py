"""SentencePiece models as operations of a TensorFlow graph, from tensorflow-text."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_pieces import GraphSentencePieces

if TYPE_CHECKING:
    from keras_attention.text.foreign.sentence_piece import SentencePieceVocabulary


def pieces_of(model: bytes, name: str) -> list[str]:
    """All pieces of a SentencePiece model by id.

    Args:
        model: its bytes.
        name: of the argument, for the message of the error.
    """
    require("tensorflow_text", "text")
    import tensorflow as tf

    try:
        pieces = _tokenizer(model)
        with tf.device("CPU:0"):
            found = pieces.id_to_string(tf.range(pieces.vocab_size()))
    except tf.errors.OpError as error:
        raise ValueError(
            f"{name}: expected the bytes of a SentencePiece model, received {len(model)} bytes "
            "that are none."
        ) from error
    return [piece.decode("utf-8", "replace") for piece in found.numpy()]


@cache
def _tokenizer(model: bytes) -> Any:
    """The tokenizer of a model, one in a process.

    TensorFlow keeps the model of tensorflow-text's own object as long as it keeps a compiled
    operation; under a name it keeps it.
    """
    text = require("tensorflow_text", "text")
    operations = require("tensorflow_text.python.ops.sentencepiece_tokenizer", "text")
    import tensorflow as tf

    class Model(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
        def _create_resource(self) -> Any:
            return operations.gen_sentencepiece_tokenizer.sentencepiece_op(
                model=model, shared_name=f"sentence_piece_{hashlib.sha256(model).hexdigest()}"
            )

    with tf.init_scope(), tf.device("CPU:0"):
        tokenizer = text.SentencepieceTokenizer(model, out_type=tf.int32)
        tokenizer._model_resource = Model()
    return tokenizer


class GraphSentencePiece(GraphForeign):
    """A `SentencePieceVocabulary` in a graph.

    A model exported with it needs the operations of tensorflow-text where it is loaded.
    """

    def __init__(self, vocabulary: SentencePieceVocabulary) -> None:
        super().__init__(vocabulary)
        self._pieces = _tokenizer(vocabulary.model)
        self._join = GraphSentencePieces()
        # The tokenizer itself holds the model, as a resource.
        self.resources += [self._pieces, self._join.table]

    def _split(self, texts: Tensor) -> Tensor:
        ids = self._pieces.tokenize(texts)
        return ids.with_flat_values(self._tf.gather(self._tokens, ids.flat_values))

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        return self._join(tokens)
