"""Logits that share their weights with an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from keras_attention._core.types import LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class TiedLogits(layers.Layer):
    """Logits of all tokens from their embeddings E: `E x + b`.

    The embedding stays part of the layer that created it, which saves it. So a
    model that uses this layer creates it in its constructor, from its own
    embedding; this layer alone cannot be saved. If the embedding is quantized,
    its dequantized vectors are used.

    Source: Press and Wolf, "Using the Output Embedding to Improve Language
    Models", 2017.

    Args:
        embedding: a built `keras.layers.Embedding` of V tokens and D features.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        vectors: `(..., D)`.

    Returns:
        Logits `(..., V)`.

    Raises:
        ValueError: if `embedding` is no `keras.layers.Embedding`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import TiedLogits
    >>> embedding = keras.layers.Embedding(6, 4)
    >>> embedding.build((None, None))
    >>> tuple(TiedLogits(embedding)(np.ones((2, 3, 4))).shape)
    (2, 3, 6)
    """

    def __init__(self, embedding: keras.layers.Embedding, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        if not isinstance(embedding, layers.Embedding):
            raise ValueError(
                f"embedding: expected a keras.layers.Embedding, received {embedding!r}."
            )
        # Behind a function, so that Keras does not track it: saved once, with its owner.
        self._embedding = lambda: embedding
        self._size = embedding.input_dim

    def build(self, vectors_shape: Shape) -> None:
        self.bias = self.add_weight(shape=(self._size,), initializer="zeros", name="bias")
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        weights = ops.cast(self._embeddings(), self.compute_dtype)
        size = ops.shape(vectors)
        flat = ops.reshape(vectors, (-1, size[-1]))
        logits = ops.matmul(flat, ops.transpose(weights)) + self.bias
        return ops.reshape(logits, (*size[:-1], self._size))

    def _embeddings(self) -> Tensor:
        """The vectors of all tokens `(V, D)`."""
        embedding = self._embedding()
        if embedding.quantization_mode is None:
            return embedding.embeddings
        # `embeddings` are integer codes now, which the embedding scales when it looks them up.
        return embedding(ops.arange(self._size))

    def compute_output_shape(self, vectors_shape: Shape) -> Shape:
        return (*vectors_shape[:-1], self._size)
