"""Hierarchical attention: over words, then over sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core import cells
from keras_attention._core.checks import (
    check_features,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention._core.freezing import freeze_parts
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, Shape, Tensor
from keras_attention.layers.pooling import AttentionPooling

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class HierarchicalAttention(QuantizedParts):
    """Pools words to sentences, and sentences to a document, both by attention.

        words_ij     = word_encoder(inputs_i)_j
        sentence_i   = word_pooling(words_i)
        sentences    = sentence_encoder(sentence)
        document     = sentence_pooling(sentences)

    A sentence whose words are all padding becomes zeros and is masked on the
    upper level, so that neither padding words nor padding sentences change
    anything.

    Source: Yang et al., "Hierarchical Attention Networks for Document
    Classification", 2016, whose encoders are bidirectional GRUs.

    Args:
        word_encoder: a layer from `(B, W, D)` to `(B, W, E)`, such as
            `Bidirectional(GRU(50, return_sequences=True))`, or None. A layer
            whose `call` has an argument `mask` is given the mask.
        sentence_encoder: likewise from `(B, N, E)` to `(B, N, F)`.
        word_pooling: a layer with the call arguments of `AttentionPooling`, by
            default an `AttentionPooling()`.
        sentence_pooling: likewise.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, N, W, D)`: N sentences of W words.
        mask: `(B, N, W)`, True for real words. In the functional API Keras
            fills it in, as from an `Embedding(mask_zero=True)` of ids
            `(B, N, W)`.
        return_attention_scores: whether to return the weights too.
        training: passed to the layers.

    Returns:
        The document `(B, F)`; and on request the weights of the words
        `(B, N, W)`, which are 0 in sentences of padding, and those of the
        sentences `(B, N)`.

    Raises:
        ValueError: for ranks, sizes or masks that do not fit, or an encoder
            that does not return a sequence.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_attention.layers.hierarchical import HierarchicalAttention
    >>> layer = HierarchicalAttention(
    ...     keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True)),
    ...     keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True)),
    ... )
    >>> document, words, sentences = layer(np.ones((2, 5, 7, 6)), return_attention_scores=True)
    >>> tuple(document.shape), tuple(words.shape), tuple(sentences.shape)
    ((2, 6), (2, 5, 7), (2, 5))
    """

    def __init__(
        self,
        word_encoder: keras.layers.Layer | Config | None = None,
        sentence_encoder: keras.layers.Layer | Config | None = None,
        word_pooling: keras.layers.Layer | Config | None = None,
        sentence_pooling: keras.layers.Layer | Config | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)

        def pooling(layer: keras.layers.Layer | Config | None, name: str) -> keras.layers.Layer:
            if layer is None:
                return AttentionPooling(dtype=self.dtype_policy, name=name)
            return _layer(name, layer)

        self.word_encoder = _layer("word_encoder", word_encoder)
        self.sentence_encoder = _layer("sentence_encoder", sentence_encoder)
        self.word_pooling = pooling(word_pooling, "word_pooling")
        self.sentence_pooling = pooling(sentence_pooling, "sentence_pooling")
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        check_features(inputs=inputs_shape)
        shape = inputs_shape
        for name, encoder, pooling in self._levels():
            # Each level works on a batch of sequences: of words, then of sentences.
            sequence = (None, *shape[2:]) if len(shape) == 4 else shape
            if encoder is not None:
                if not encoder.built:
                    encoder.build(sequence)
                # A Sequential takes a mask, but warns that it destroys it. This layer keeps it.
                encoder.supports_masking = True
                sequence = _encoded_shape(name, encoder, sequence)
            if not pooling.built:
                pooling.build(sequence)
            shape = (*shape[:-2], sequence[-1])
        self._size, self._document_size = inputs_shape[-1], shape[-1]
        for _, encoder, pooling in self._levels():
            freeze_parts(self, [encoder, pooling])
        self.built = True

    def _levels(
        self,
    ) -> tuple[tuple[str, keras.layers.Layer | None, keras.layers.Layer], ...]:
        return (
            ("word_encoder", self.word_encoder, self.word_pooling),
            ("sentence_encoder", self.sentence_encoder, self.sentence_pooling),
        )

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        self._check(inputs, mask)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        batch, sentences, words = ops.shape(inputs)[:3]
        flat = ops.reshape(inputs, (batch * sentences, words, inputs.shape[3]))
        real_words = real_sentences = None
        if mask is not None:
            mask = ops.cast(mask, "bool")
            real_words = ops.reshape(mask, (batch * sentences, words))
            real_sentences = ops.any(mask, axis=-1)
        pooled, word_weights = self._level(0, flat, real_words, training)
        pooled = ops.reshape(pooled, (batch, sentences, pooled.shape[-1]))
        document, sentence_weights = self._level(1, pooled, real_sentences, training)
        if not return_attention_scores:
            return document
        word_weights = ops.reshape(word_weights, (batch, sentences, words))
        return document, word_weights, sentence_weights

    def _level(
        self, level: int, sequence: Tensor, mask: Tensor | None, training: bool | None
    ) -> tuple[Tensor, Tensor]:
        _, encoder, pooling = self._levels()[level]
        if encoder is not None:
            # Padding must not reach the gradient of the encoder.
            sequence = zero_where_masked(mask, sequence)
            sequence = cells.call(encoder, sequence, training=training, mask=mask)
        return pooling(sequence, mask=mask, return_attention_scores=True, training=training)

    def _check(self, inputs: Tensor, mask: Tensor | None) -> None:
        check_rank("inputs", inputs, (4,), "(batch, sentences, words, features)")
        if mask is not None:
            check_shape("mask", mask, inputs.shape[:-1], "one boolean per word of inputs")
        if self.built:
            check_size("inputs", inputs, self._size)

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        return (inputs_shape[0], self._document_size)

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> keras.KerasTensor | tuple[keras.KerasTensor, ...]:
        self._check(inputs, mask)
        batch, sentences, words, _ = inputs.shape
        shapes = ((batch, self._document_size), (batch, sentences, words), (batch, sentences))
        outputs = tuple(keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes)
        return outputs if return_attention_scores else outputs[0]

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> None:
        return None

    def get_config(self) -> Config:
        layers = {
            "word_encoder": self.word_encoder,
            "sentence_encoder": self.sentence_encoder,
            "word_pooling": self.word_pooling,
            "sentence_pooling": self.sentence_pooling,
        }
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            **{name: None if one is None else serialize(one) for name, one in layers.items()},
        }


def _layer(name: str, layer: keras.layers.Layer | Config | None) -> keras.layers.Layer | None:
    if isinstance(layer, dict):
        layer = keras.saving.deserialize_keras_object(layer)
    if layer is not None and not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"{name}: expected a Keras layer or None, received {layer!r}.")
    return layer


def _encoded_shape(name: str, encoder: keras.layers.Layer, shape: Shape) -> Shape:
    encoded = encoder.compute_output_shape(shape)
    is_shape = isinstance(encoded, (tuple, list)) and all(
        not isinstance(size, (tuple, list)) for size in encoded
    )
    if not is_shape or len(encoded) != 3:
        raise ValueError(
            f"{name}: expected a layer from (batch, length, features) to the like (a recurrent one "
            f"needs return_sequences=True), received one that gives {encoded}."
        )
    return tuple(encoded)
