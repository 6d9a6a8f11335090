"""Captioner: an image in, a sentence out, and for every word a map of where it looked."""

import keras
from keras import layers, ops, tree

from keras_attention import losses, vision
from keras_attention._core.backend.replicas import averaged_over_replicas
from keras_attention._core.checks import (
    check_choice,
    check_ids,
    check_number,
    check_positive,
    check_rate,
    check_shape,
)
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.models.encoders import CELLS
from keras_attention.models.image_encoders import ImageEncoder
from keras_attention.scores.additive import Additive
from keras_attention.text.special_ids import PAD, UNKNOWN
from keras_attention.text.vocabulary import as_vocabulary


@keras.saving.register_keras_serializable(package="keras_attention")
class Captioner(keras.Model):
    """An image encoder and a recurrent decoder that looks at the image before every word.

        features = encoder(image)                             (B, h, w, D)
        state_0  = tanh(W mean(features) + b)                 `vision.MeanState`
        h_t, z_t = AttentionRNN, attend="before", over E y_{t-1} and the features
        logits_t = W tanh(E y_{t-1} + L [h_t; z_t]) + b

    z_t is the context, by default that of a `vision.GatedAttention`. While
    training, `doubly_stochastic` times `losses.doubly_stochastic_loss` is added
    to the loss: every place shall be looked at once in all. An attention that
    samples by score function (`HardSample("score_function")`) is trained too:
    the reward of a look is the log-likelihood of the words from there on, less
    a moving average of it.

    It is trained with teacher forcing: the target starts with 1 (start), the
    labels are the target moved by one and end with 2 (end), 0 is padding. The
    methods `start` and `step` decode (see `keras_attention.generation`).

    Source: Xu et al., "Show, Attend and Tell", 2015. It differs in the rewards:
    theirs are the same for all steps; and in the tanh, which stands in their
    code.

    Args:
        vocabulary: the `Vocabulary` of the words, which is saved with the model.
        image_size: height and width of the images.
        encoder: a layer or model, images `(B, H, W, 3)` from 0 to 255 to
            features `(B, h, w, D)`: your own, a `backbone`, or by default an
            `ImageEncoder`. It learns along if its `trainable` is True; if not, it
            works while training as it does later, without dropout.
        embedding_dim: the size of the words' embeddings.
        units: the size of the decoder's cell.
        cell: `"lstm"` or `"gru"`.
        attention: an `Attention`, by default `GatedAttention` with an additive
            score of `units`.
        dropout: on the embeddings and before the logits.
        doubly_stochastic: the factor of that loss, lambda of the paper.
        word_detection: the factor of a loss by which every place of the features
            learns to detect the words of the caption, see `WordDetection`, whose
            logits at z_t are then added to logits_t. From scratch an encoder
            learns much sooner by it.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: a dictionary, `"image"` `(B, H, W, 3)` from 0 to 255 and
            `"target"` `(B, T)` ids; or, instead of the image, its `"features"`
            `(B, h, w, D)`, which `encoder` gave before.
        return_attention_scores: whether to return the maps too.
        training: whether dropout acts.

    Returns:
        The logits `(B, T, V)` in float32, and on request the maps
        `(B, T, h, w)`.

    Raises:
        ValueError: for unknown choices, sizes that are none, an encoder that
            gives no map of features, and inputs that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import Captioner
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> words = Vocabulary(["a", "red", "apple"], separator=" ")
    >>> model = Captioner(words, image_size=(32, 32), units=16)
    >>> inputs = {"image": np.zeros((2, 32, 32, 3)), "target": np.array([[1, 4], [1, 4]])}
    >>> logits, maps = model(inputs, return_attention_scores=True)
    >>> tuple(logits.shape), tuple(maps.shape)
    ((2, 2, 7), (2, 2, 4, 4))
    """

    def __init__(
        self,
        vocabulary,
        image_size=(96, 96),
        encoder=None,
        embedding_dim=128,
        units=256,
        cell="lstm",
        attention=None,
        dropout=0.0,
        doubly_stochastic=1.0,
        word_detection=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        vocabulary = as_vocabulary(vocabulary)
        image_size = _image_size(image_size)
        check_positive("embedding_dim", embedding_dim)
        check_positive("units", units)
        check_choice("cell", cell, tuple(CELLS))
        check_rate("dropout", dropout)
        check_number("doubly_stochastic", doubly_stochastic, at_least=0)
        check_number("word_detection", word_detection, at_least=0)
        policy = {"dtype": self.dtype_policy}
        if encoder is None:
            encoder = ImageEncoder(name="encoder", **policy)
        elif not isinstance(encoder, keras.layers.Layer):
            raise ValueError(f"encoder: expected a Keras layer or None, received {encoder!r}.")
        if attention is None:
            score = Additive(units, **policy)
            attention = vision.GatedAttention(score, name="attention", **policy)
        elif not isinstance(attention, Attention):
            raise ValueError(
                f"attention: expected a keras_attention.Attention or None, received {attention!r}."
            )
        self.vocabulary = vocabulary
        self.image_size = image_size
        self._config = {
            "embedding_dim": embedding_dim,
            "units": units,
            "cell": cell,
            "dropout": dropout,
            "doubly_stochastic": doubly_stochastic,
            "word_detection": word_detection,
        }
        self.encoder = encoder
        self.embedding = layers.Embedding(len(vocabulary), embedding_dim, **policy)
        self.decoder = AttentionRNN(
            CELLS[cell][1](units, **policy),
            attention,
            attend="before",
            name="decoder",
            **policy,
        )
        sizes = tree.flatten(self.decoder.cell.state_size)
        self.first_state = vision.MeanState(sizes, name="first_state", **policy)
        self.drop = layers.Dropout(dropout, **policy)
        self.output_layer = layers.Dense(embedding_dim, use_bias=False, name="output", **policy)
        # Logits stay in float32 under mixed precision: their softmax needs it.
        self.logits = layers.Dense(len(vocabulary), dtype="float32", name="logits")
        self.detection = None
        if word_detection:
            self.detection = WordDetection(len(vocabulary), name="detection")
        self.baseline = None
        if attention.normalizer.detached:
            self.baseline = losses.MovingBaseline(name="baseline")
        self._build_parts()
        self.built = True
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            for layer in self.layers:
                layer.trainable = False

    def build(self, inputs_shape=None):
        self.built = True

    def _build_parts(self):
        images = (None, *self.image_size, 3)
        # By a call without numbers: not every layer has a `build` and tells its output's shape.
        found = self.encoder(keras.KerasTensor(images, dtype=self.compute_dtype))
        features = tuple(getattr(found, "shape", ()))
        if len(features) != 4 or None in features[1:]:
            raise ValueError(
                "encoder: expected one that gives features of shape (batch, height, width, "
                f"channels) for images of shape {images}, received one that gives {features}."
            )
        self.map_shape = features[1:3]
        self._features_shape = features
        embedded = (None, None, self._config["embedding_dim"])
        self.embedding.build((None, None))
        self.decoder.build(embedded, features)
        self.first_state.build(features)
        self.output_layer.build((None, None, self.decoder.output_size(features[-1])))
        self.logits.build(embedded)
        if self.detection is not None:
            self.detection.build(features)
        if self.baseline is not None:
            self.baseline.build((None, None))

    def call(self, inputs, return_attention_scores=False, training=None):
        features, target = self._features_and_target(inputs, training)
        embedded = self.drop(self.embedding(target), training=training)
        mask = ops.not_equal(target, PAD)
        vectors, maps = self.decoder(
            embedded,
            features,
            initial_state=self.first_state(features),
            sequence_mask=mask,
            return_attention_scores=True,
            training=training,
        )
        logits = self._speak(vectors, embedded, training)
        if training:
            self._add_losses(features, maps, logits, target, mask)
        return (logits, maps) if return_attention_scores else logits

    def encode(self, images, training=None):
        """Images `(B, H, W, 3)` from 0 to 255 to features `(B, h, w, D)`."""
        images = ops.convert_to_tensor(images)
        expected = (None, *self.image_size, 3)
        check_shape("image", images, expected, "a batch of colour images of the model's size")
        # What is frozen gives the features that may have been kept, without dropout.
        training = training if self.encoder.trainable else False
        return self.encoder(ops.cast(images, self.compute_dtype), training=training)

    def start(self, inputs):
        """The state before the first word: the projected features and the decoder's state.

        Args:
            inputs: images `(B, H, W, 3)` from 0 to 255, or a dictionary with
                them as `"image"` or with their `"features"`.
        """
        features = self._features(inputs if isinstance(inputs, dict) else {"image": inputs})
        memory = self.decoder.attention.memory(features)
        first = self.first_state(features)
        return {"memory": memory, "decoder": self.decoder.initial_state(memory, first)}

    def step(self, tokens, state, beams=1):
        """One word `(B,)` further: logits `(B, V)`, the next state, and the weights `(B, h * w)`.

        With `beams`, so many rows side by side share one row of the memory.
        """
        embedded = self.embedding(tokens)
        vector, weights, decoder = self.decoder.step(
            embedded, state["memory"], state["decoder"], beams=beams
        )
        state = {"memory": state["memory"], "decoder": decoder}
        return self._speak(vector, embedded), state, weights

    def as_maps(self, weights):
        """Weights over all places `(..., h * w)` as maps `(..., h, w)`."""
        return ops.reshape(weights, (*ops.shape(weights)[:-1], *self.map_shape))

    def _speak(self, vectors, embedded, training=None):
        hidden = ops.tanh(self.output_layer(vectors) + embedded)
        logits = self.logits(self.drop(hidden, training=training))
        if self.detection is None:
            return logits
        contexts = vectors[..., -self._features_shape[-1] :]
        return logits + self.detection.logits(contexts)

    def _add_losses(self, features, maps, logits, target, mask):
        if self.detection is not None:
            loss = self.detection(features, target)
            self.add_loss(self._config["word_detection"] * loss)
        if self._config["doubly_stochastic"]:
            loss = losses.doubly_stochastic_loss(maps, mask)
            self.add_loss(self._config["doubly_stochastic"] * loss)
        # Of targets without a word nothing is known that could reward.
        if self.baseline is not None and target.shape[1] != 1:
            # The label of a step is the next input; that of the last is not known here.
            likelihood = -keras.losses.sparse_categorical_crossentropy(
                target[:, 1:], logits[:, :-1], from_logits=True
            )
            spoken = ops.cast(mask[:, 1:], likelihood.dtype)
            rewards = ops.flip(ops.cumsum(ops.flip(likelihood * spoken, 1), axis=1), 1)
            baseline = self.baseline(rewards, mask=mask[:, 1:], training=True)
            loss = losses.hard_attention_loss(maps[:, :-1], rewards, baseline, mask[:, 1:])
            self.add_loss(loss)

    def _features_and_target(self, inputs, training):
        _check_has_target(inputs)
        target = ops.convert_to_tensor(inputs["target"])
        if averaged_over_replicas():
            target = ops.cast(target, "int32")
        check_ids("target", target)
        features = self._features(inputs, training)
        expected = (features.shape[0], target.shape[1])
        check_shape("target", target, expected, "as many rows as there are images")
        return features, target

    def _features(self, inputs, training=None):
        if ("image" in inputs) == ("features" in inputs):
            raise ValueError(
                f"inputs: expected either 'image' or 'features', received {sorted(inputs)}."
            )
        if "image" in inputs:
            return self.encode(inputs["image"], training=training)
        features = ops.convert_to_tensor(inputs["features"], dtype=self.compute_dtype)
        check_shape("features", features, self._features_shape, "what the encoder gives")
        return features

    def compute_output_spec(self, inputs, return_attention_scores=False, training=None):
        _check_has_target(inputs)
        target = inputs["target"]
        logits = keras.KerasTensor((*target.shape, len(self.vocabulary)))
        if not return_attention_scores:
            return logits
        shape = (*target.shape, *self.map_shape)
        return logits, keras.KerasTensor(shape, dtype=self.decoder.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            **self._config,
            "vocabulary": self.vocabulary.get_config(),
            "image_size": list(self.image_size),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "attention": keras.saving.serialize_keras_object(self.decoder.attention),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for part in ("encoder", "attention"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_attention")
class WordDetection(layers.Layer):
    """The loss of detecting, somewhere in a feature map, the words of its caption.

        p_jv = sigmoid(w_v a_j + b_v)                   word v at place j
        p_v  = 1 - prod_j (1 - p_jv)                    anywhere: noisy or
        loss = -sum_{v said} log p_v - sum_{others} log(1 - p_v)

    No place of a word is told; that many images share words teaches places to
    detect them.

    Source: Fang et al., "From Captions to Visual Concepts and Back", 2015.

    Args:
        vocabulary_size: how many words, the four special ids included.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, h, w, D)`.
        target: ids `(B, T)`.

    Returns:
        A scalar, the mean over the images, in nats.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import WordDetection
    >>> loss = WordDetection(9)(np.zeros((2, 3, 3, 4)), np.array([[1, 5], [1, 6]]))
    >>> tuple(loss.shape)
    ()
    """

    def __init__(self, vocabulary_size, **kwargs):
        # In float32 under mixed precision, as all losses.
        super().__init__(**{"dtype": "float32", **kwargs})
        check_positive("vocabulary_size", vocabulary_size)
        self.vocabulary_size = vocabulary_size
        # At first nearly nothing is detected, or everything would be somewhere.
        rare = keras.initializers.Constant(-6.0)
        self.logits = layers.Dense(
            vocabulary_size, bias_initializer=rare, dtype=self.dtype_policy, name="logits"
        )

    def build(self, features_shape, target_shape=None):
        self.logits.build(features_shape)
        self.built = True

    def call(self, features, target):
        # -log(1 - p_v) is a sum over the places, and p_v is never quite 0.
        absence = ops.sum(ops.softplus(self.logits(features)), axis=(1, 2)) + 1e-6
        said = ops.max(ops.one_hot(target, self.vocabulary_size, dtype=absence.dtype), axis=1)
        losses = ops.where(said > 0, -ops.log(-ops.expm1(-absence)), absence)
        # Padding and start stand in every target and in no image.
        return ops.mean(ops.sum(losses[:, UNKNOWN:], axis=1))

    def compute_output_shape(self, features_shape, target_shape=None):
        return ()

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size}


def _check_has_target(inputs):
    if not isinstance(inputs, dict) or "target" not in inputs:
        raise ValueError(
            "inputs: expected a dictionary with 'image' (or 'features') and the ids 'target', "
            f"received {sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__}."
        )


def _image_size(size):
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise ValueError(f"image_size: expected height and width, received {size!r}.")
    for number in size:
        check_positive("image_size", number)
    return tuple(size)
