"""Sequences summed up by learned queries: by one, by several, and by words, then sentences."""

import inspect

import keras
from keras import ops

from keras_attention import scores
from keras_attention.attention import Attention
from keras_attention.checks import (
    check_features,
    check_flag,
    check_number,
    check_positive,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention.losses import redundancy_loss


class _Pooling(keras.layers.Layer):
    """Learned queries that attend to a sequence: to a projection of it, or by a score of its own.

    Where no score is given, the sequence is compared as `act(W h + b)` with the
    queries themselves: the dot product of the two is v . act(W h + b).
    """

    def __init__(self, queries, units, score, activation, use_bias, attention, **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_positive("units", units)
        check_flag("use_bias", use_bias)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self._queries = queries
        named = score if isinstance(score, str) or score is None else None
        self._score_name = named
        options = {} if score is None or not named else {"dtype": self.dtype_policy}
        compares = "dot" if score is None else scores.get(score, **options)
        self._projects = score is None
        self.attention = Attention(
            compares,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="attention",
            **attention,
        )
        self.supports_masking = True

    def build(self, inputs_shape):
        check_features(inputs=inputs_shape)
        size = inputs_shape[-1] if self.units is None else self.units
        self.query = self.add_weight(
            shape=(self._queries, size), initializer="glorot_uniform", name="query"
        )
        self.hidden = None
        key_shape = inputs_shape
        if self._projects:
            self.hidden = keras.layers.Dense(
                size,
                activation=self.activation,
                use_bias=self.use_bias,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name="hidden",
            )
            self.hidden.build(inputs_shape)
            key_shape = (*inputs_shape[:-1], size)
        if not self.attention.built:
            self.attention.build((None, self._queries, size), inputs_shape, key_shape)
        self._size = inputs_shape[-1]
        self.built = True

    def call(self, inputs, mask=None, return_attention_scores=False, training=None):
        self._check(inputs, mask)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        key = None
        if self.hidden is not None:
            visible = inputs
            if mask is not None:
                mask = ops.cast(mask, "bool")
                # What stands in the padding must not reach the projection's gradient.
                visible = ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
            key = self.hidden(visible)
        query = ops.cast(self.query, self.compute_dtype)
        query = ops.broadcast_to(query, (ops.shape(inputs)[0], *query.shape))
        pooled, weights = self.attention(
            query, inputs, key, value_mask=mask, return_attention_scores=True, training=training
        )
        self._attended(weights, mask)
        pooled, weights = self._shaped(pooled), self._shaped(weights)
        return (pooled, weights) if return_attention_scores else pooled

    def _attended(self, weights, mask):
        """A place for what follows from the weights."""

    def _shaped(self, tensor):
        """`(B, queries, ...)` as the layer returns it."""
        return tensor

    def _check(self, inputs, mask):
        meaning = "(batch, length, features) or a feature map (batch, height, width, features)"
        check_rank("inputs", inputs, (3, 4), meaning)
        if mask is not None:
            check_shape("mask", mask, inputs.shape[:-1], "one boolean a position of inputs")
        if self.built:
            check_size("inputs", inputs, self._size)

    def _output_shapes(self, inputs_shape):
        batch, *positions, features = inputs_shape
        return (batch, self._queries, features), (batch, self._queries, *positions)

    def compute_output_shape(self, inputs_shape):
        return self._output_shapes(inputs_shape)[0]

    def compute_output_spec(self, inputs, mask=None, return_attention_scores=False, training=None):
        self._check(inputs, mask)
        pooled, weights = (
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for shape in self._output_shapes(inputs.shape)
        )
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, inputs, previous_mask=None):
        # The positions are gone.
        return None

    def get_config(self):
        attention = self.attention.get_config()
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **{name: attention[name] for name in ("normalizer", "dropout", "seed")},
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionPooling(_Pooling):
    """Sums a sequence up by what a learned query finds in it.

        weights = softmax_j(v . tanh(W h_j + b))     (B, S), 0 where masked
        pooled  = sum_j weights_j h_j                (B, D)

    With a `score`, the learned query is compared with the h_j by that score
    instead: `weights = normalizer(score(query, h))`. Where everything is
    masked the sum is zero.

    Source: Raffel and Ellis, "Feed-Forward Networks with Attention Can Solve
    Some Long-Term Memory Problems", 2015; Yang et al., "Hierarchical Attention
    Networks for Document Classification", 2016, where v is the context vector.

    Args:
        units: the size of v; with a score, that of the query. By default that
            of the inputs.
        score: None for the form above, or as in `Attention`.
        normalizer, dropout, seed: as in `Attention`.
        activation: instead of tanh.
        use_bias: whether there is a b.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, S, D)`, or a feature map `(B, H, W, D)`.
        mask: `(B, S)` or `(B, H, W)`, True for real positions. In the
            functional API Keras fills it in.
        return_attention_scores: whether to return the weights too.
        training: whether dropout acts.

    Returns:
        The sum `(B, D)`; and on request the weights `(B, S)` or `(B, H, W)`.

    Raises:
        ValueError: for units that are not positive, an unknown score or
            normalizer, and ranks, sizes or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.pooling import AttentionPooling
    >>> pooled, weights = AttentionPooling(16)(np.ones((2, 5, 8)), return_attention_scores=True)
    >>> tuple(pooled.shape), tuple(weights.shape)
    ((2, 8), (2, 5))
    """

    def __init__(
        self,
        units=None,
        score=None,
        normalizer="softmax",
        activation="tanh",
        use_bias=True,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        attention = {"normalizer": normalizer, "dropout": dropout, "seed": seed}
        super().__init__(1, units, score, activation, use_bias, attention, **kwargs)

    def _shaped(self, tensor):
        return ops.squeeze(tensor, 1)

    def _output_shapes(self, inputs_shape):
        batch, *positions, features = inputs_shape
        return (batch, features), (batch, *positions)

    def get_config(self):
        score = self._score_name
        if not self._projects and score is None:
            score = keras.saving.serialize_keras_object(self.attention.score)
        return {**super().get_config(), "score": score}


@keras.saving.register_keras_serializable(package="keras_attention")
class StructuredSelfAttention(_Pooling):
    """Sums a sequence up several times over, each hop looking at something else.

        A = softmax(W2 tanh(W1 H^T))     (B, hops, S), 0 where masked
        M = A H                          (B, hops, D)

    With `penalty`, `penalty * ||A A^T - I||_F^2`, a row at a time and averaged
    over the rows, is added to the model's losses, so that the hops differ; see
    `keras_attention.losses.redundancy_loss`.

    Source: Lin et al., "A Structured Self-attentive Sentence Embedding", 2017,
    without biases.

    Args:
        hops: how many sums, r of the paper.
        units: rows of W1, d_a of the paper; by default the inputs' size.
        penalty: the factor of the penalty, 0 for none.
        normalizer, dropout, seed: as in `Attention`.
        activation: instead of tanh.
        use_bias: whether W1 has a bias.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs, mask, return_attention_scores, training: as `AttentionPooling`.

    Returns:
        The sums `(B, hops, D)`; and on request the weights `(B, hops, S)` or
        `(B, hops, H, W)`.

    Raises:
        ValueError: for hops or units that are not positive, a penalty below 0,
            and ranks, sizes or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.pooling import StructuredSelfAttention
    >>> layer = StructuredSelfAttention(hops=3, units=16, penalty=0.1)
    >>> tuple(layer(np.ones((2, 5, 8))).shape), len(layer.losses)
    ((2, 3, 8), 1)
    """

    def __init__(
        self,
        hops,
        units=None,
        penalty=0.0,
        normalizer="softmax",
        activation="tanh",
        use_bias=False,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        check_positive("hops", hops)
        check_number("penalty", penalty, at_least=0)
        attention = {"normalizer": normalizer, "dropout": dropout, "seed": seed}
        super().__init__(hops, units, None, activation, use_bias, attention, **kwargs)
        self.hops, self.penalty = hops, penalty

    def _attended(self, weights, mask):
        if self.penalty:
            self.add_loss(self.penalty * redundancy_loss(weights, source_mask=mask))

    def get_config(self):
        return {**super().get_config(), "hops": self.hops, "penalty": self.penalty}


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
    >>> from keras_attention.pooling import HierarchicalAttention
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
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            for _, encoder, pooling in self._levels():
                pooling.trainable = False
                if encoder is not None:
                    encoder.trainable = False
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
