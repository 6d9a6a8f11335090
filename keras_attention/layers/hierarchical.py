"""Attention over words, then over sentences."""

import inspect

import keras
from keras import ops

from keras_attention._core.checks import (
    check_features,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention._core.freezing import freeze_parts
from keras_attention.layers.pooling import AttentionPooling


@keras.saving.register_keras_serializable(package="keras_attention")
class HierarchicalAttention(keras.layers.Layer):
    """Sums words up to sentences and sentences up to a document, each by attention.

        words_ij     = word_encoder(inputs_i)_j
        sentence_i   = word_pooling(words_i)
        sentences    = sentence_encoder(sentence)
        document     = sentence_pooling(sentences)

    A sentence that is padding altogether becomes zeros and is masked on the
    upper level, so that neither padding words nor padding sentences change
    anything.

    Source: Yang et al., "Hierarchical Attention Networks for Document
    Classification", 2016, whose encoders are bidirectional GRUs.

    Args:
        word_encoder: a layer from `(B, W, D)` to `(B, W, E)`, such as
            `Bidirectional(GRU(50, return_sequences=True))`, or None for none.
            It is given a `mask` where it takes one.
        sentence_encoder: likewise from `(B, N, E)` to `(B, N, F)`.
        word_pooling: a layer such as `AttentionPooling`, by default that.
        sentence_pooling: likewise.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, N, W, D)`: N sentences of W words.
        mask: `(B, N, W)`, True for real words. In the functional API Keras
            fills it in, as from an `Embedding(mask_zero=True)` of ids
            `(B, N, W)`.
        return_attention_scores: whether to return the weights too.
        training: handed on to the layers.

    Returns:
        The document `(B, F)`; and on request the weights of the words
        `(B, N, W)`, which are 0 in sentences of padding, and those of the
        sentences `(B, N)`.

    Raises:
        ValueError: for ranks, sizes or masks that do not fit, and an encoder
            that does not give a sequence.

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
        word_encoder=None,
        sentence_encoder=None,
        word_pooling=None,
        sentence_pooling=None,
        **kwargs,
    ):
        super().__init__(**kwargs)

        def pooling(layer, name):
            if layer is None:
                return AttentionPooling(dtype=self.dtype_policy, name=name)
            return _layer(name, layer)

        self.word_encoder = _layer("word_encoder", word_encoder)
        self.sentence_encoder = _layer("sentence_encoder", sentence_encoder)
        self.word_pooling = pooling(word_pooling, "word_pooling")
        self.sentence_pooling = pooling(sentence_pooling, "sentence_pooling")
        self.supports_masking = True

    def build(self, inputs_shape):
        check_features(inputs=inputs_shape)
        shape = inputs_shape
        for name, encoder, pooling in self._levels():
            # Each level sees rows of sequences: of words, then of sentences.
            sequence = (None, *shape[2:]) if len(shape) == 4 else shape
            if encoder is not None:
                if not encoder.built:
                    encoder.build(sequence)
                # A Sequential takes a mask, and would warn that it hands none on; this does.
                encoder.supports_masking = True
                sequence = _encoded_shape(name, encoder, sequence)
            if not pooling.built:
                pooling.build(sequence)
            shape = (*shape[:-2], sequence[-1])
        self._size, self._document_size = inputs_shape[-1], shape[-1]
        for _, encoder, pooling in self._levels():
            freeze_parts(self, [encoder, pooling])
        self.built = True

    def _levels(self):
        return (
            ("word_encoder", self.word_encoder, self.word_pooling),
            ("sentence_encoder", self.sentence_encoder, self.sentence_pooling),
        )

    def call(self, inputs, mask=None, return_attention_scores=False, training=None):
        self._check(inputs, mask)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        batch, sentences, words = ops.shape(inputs)[:3]
        rows = ops.reshape(inputs, (batch * sentences, words, inputs.shape[3]))
        real_words = real_sentences = None
        if mask is not None:
            mask = ops.cast(mask, "bool")
            real_words = ops.reshape(mask, (batch * sentences, words))
            real_sentences = ops.any(mask, axis=-1)
        pooled, word_weights = self._level(0, rows, real_words, training)
        pooled = ops.reshape(pooled, (batch, sentences, pooled.shape[-1]))
        document, sentence_weights = self._level(1, pooled, real_sentences, training)
        if not return_attention_scores:
            return document
        word_weights = ops.reshape(word_weights, (batch, sentences, words))
        return document, word_weights, sentence_weights

    def _level(self, level, sequence, mask, training):
        _, encoder, pooling = self._levels()[level]
        if encoder is not None:
            if mask is not None:
                # What stands in the padding must not reach the encoder's gradient.
                kept = ops.expand_dims(mask, -1)
                sequence = ops.where(kept, sequence, ops.zeros_like(sequence))
            known = inspect.signature(encoder.call).parameters
            given = {"mask": mask, "training": training}
            sequence = encoder(sequence, **{n: value for n, value in given.items() if n in known})
        return pooling(sequence, mask=mask, return_attention_scores=True, training=training)

    def _check(self, inputs, mask):
        check_rank("inputs", inputs, (4,), "(batch, sentences, words, features)")
        if mask is not None:
            check_shape("mask", mask, inputs.shape[:-1], "one boolean a word of inputs")
        if self.built:
            check_size("inputs", inputs, self._size)

    def compute_output_shape(self, inputs_shape):
        return (inputs_shape[0], self._document_size)

    def compute_output_spec(self, inputs, mask=None, return_attention_scores=False, training=None):
        self._check(inputs, mask)
        batch, sentences, words, _ = inputs.shape
        shapes = ((batch, self._document_size), (batch, sentences, words), (batch, sentences))
        outputs = tuple(keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes)
        return outputs if return_attention_scores else outputs[0]

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def get_config(self):
        layers = {}
        for name in ("word_encoder", "sentence_encoder", "word_pooling", "sentence_pooling"):
            layer = getattr(self, name)
            layers[name] = layer and keras.saving.serialize_keras_object(layer)
        return {**super().get_config(), **layers}


def _layer(name, layer):
    if isinstance(layer, dict):
        layer = keras.saving.deserialize_keras_object(layer)
    if layer is not None and not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"{name}: expected a Keras layer or None, received {layer!r}.")
    return layer


def _encoded_shape(name, encoder, shape):
    encoded = encoder.compute_output_shape(shape)
    one = isinstance(encoded, (tuple, list)) and all(
        not isinstance(n, (tuple, list)) for n in encoded
    )
    if not one or len(encoded) != 3:
        raise ValueError(
            f"{name}: expected a layer from (batch, length, features) to the like (a recurrent one "
            f"needs return_sequences=True), received one that gives {encoded}."
        )
    return tuple(encoded)
