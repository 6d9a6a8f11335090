"""Logits that share their weights with an embedding."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="keras_attention")
class TiedLogits(layers.Layer):
    """How well a vector fits every token: `E x + b`, with the embeddings E of the tokens.

    Source: Press and Wolf, "Using the Output Embedding to Improve Language
    Models", 2017.

    Args:
        embedding: a built `keras.layers.Embedding`, which stays its owner's.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        vectors: `(..., D)`.

    Returns:
        Logits `(..., V)`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers.tied_logits import TiedLogits
    >>> embedding = keras.layers.Embedding(6, 4)
    >>> embedding.build((None, None))
    >>> tuple(TiedLogits(embedding)(np.ones((2, 3, 4))).shape)
    (2, 3, 6)
    """

    def __init__(self, embedding, **kwargs):
        super().__init__(**kwargs)
        # Behind a function, where Keras does not find it: saved once, with its owner.
        self._embedding = lambda: embedding
        self._size = embedding.input_dim

    def build(self, vectors_shape):
        self.bias = self.add_weight(shape=(self._size,), initializer="zeros", name="bias")
        self.built = True

    def call(self, vectors):
        weights = ops.cast(self._embedding().embeddings, self.compute_dtype)
        size = ops.shape(vectors)
        rows = ops.reshape(vectors, (-1, size[-1]))
        logits = ops.matmul(rows, ops.transpose(weights)) + self.bias
        return ops.reshape(logits, (*size[:-1], self._size))

    def compute_output_shape(self, vectors_shape):
        return (*vectors_shape[:-1], self._size)
