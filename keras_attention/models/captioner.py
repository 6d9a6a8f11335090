"""Captioner: captions of images, with one attention map per word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

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
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.models.base import special_ids_of, target_mask
from keras_attention.models.encoders import CELLS
from keras_attention.models.image_encoders import ImageEncoder
from keras_attention.models.recurrent import RecurrentDecoderModel, checked_attention
from keras_attention.models.word_detection import WordDetection
from keras_attention.scores.additive import Additive
from keras_attention.text.vocabularies import as_vocabulary

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions
    from keras_attention.text.protocol import VocabularyLike
    from keras_attention.text.special_ids import SpecialIds


@keras.saving.register_keras_serializable(package="keras_attention")
class Captioner(RecurrentDecoderModel):
    """An image encoder and a recurrent decoder with attention over the image.

        features = encoder(image)                             (B, h, w, D)
        state_0  = tanh(W mean(features) + b)                 `vision.MeanState`
        h_t, z_t = AttentionRNN, attend="before", over E y_{t-1} and the features
        logits_t = W tanh(E y_{t-1} + L [h_t; z_t]) + b

    z_t is the context, by default that of a `vision.GatedAttention`. In
    training, `doubly_stochastic` times `losses.doubly_stochastic_loss` is added
    to the loss: the weights of each position should sum to 1 over the caption.
    An attention that is sampled with the score function
    (`HardSample("score_function")`) is trained too. The reward of a step is the
    log-likelihood of the words from there on, minus a moving average.

    It is trained with teacher forcing: the target begins with the start id, the
    labels are the target shifted by one and end with the end id (see the
    `special_ids` of the vocabulary). `generate` writes captions, and every search
    of `keras_attention.generation` decodes the model.

    Source: Xu et al., "Show, Attend and Tell", 2015. Differences: their reward
    is the same for all steps; the tanh is from their code, not from the paper.

    Args:
        vocabulary: the `Vocabulary` of the words, which is saved with the model.
        image_size: height and width of the images.
        encoder: a layer or model from images `(B, H, W, 3)`, 0 to 255, to
            features `(B, h, w, D)`: your own, a `backbone`, or by default an
            `ImageEncoder`. It is trained if its `trainable` is True; if not, it
            runs in inference mode during training, without dropout.
        embedding_dim: the size of the word embeddings.
        units: the size of the decoder's cell.
        cell: `"lstm"` or `"gru"`.
        attention: an `Attention`, by default `GatedAttention` with an additive
            score of `units`.
        dropout: on the embeddings and before the logits.
        doubly_stochastic: the factor of that loss, lambda in the paper.
        word_detection: the factor of a loss by which every position of the
            features learns to detect the words of the caption, see
            `WordDetection`. Its logits at z_t are added to logits_t. An encoder
            without pretraining learns much sooner with it.
        special_ids: None, or those of the vocabulary.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: a dictionary, `"image"` `(B, H, W, 3)` from 0 to 255 and
            `"target"` `(B, T)` ids; or, instead of the image, its `"features"`
            `(B, h, w, D)`, the output of `encoder`.
        return_attention_scores: whether to return the maps too.
        training: whether dropout is applied.

    Returns:
        The logits `(B, T, V)` in float32, and on request the maps
        `(B, T, h, w)`.

    Raises:
        ValueError: for unknown choices, sizes that are not positive, an encoder
            that does not return a feature map, and inputs that do not fit.

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

    registered_as = "Captioner"
    layer_arguments = ("attention", "encoder")

    def __init__(
        self,
        vocabulary: VocabularyLike | Config,
        image_size: tuple[int, int] = (96, 96),
        encoder: keras.layers.Layer | None = None,
        embedding_dim: int = 128,
        units: int = 256,
        cell: Literal["lstm", "gru"] = "lstm",
        attention: Attention | None = None,
        dropout: float = 0.0,
        doubly_stochastic: float = 1.0,
        word_detection: float = 0.0,
        special_ids: SpecialIds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        vocabulary = as_vocabulary(vocabulary, special_ids=special_ids)
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
        attention = checked_attention(
            attention,
            lambda: vision.GatedAttention(Additive(units, **policy), name="attention", **policy),
        )
        self.vocabulary = vocabulary
        self._special_ids = special_ids_of(vocabulary, special_ids, "vocabulary")
        self.image_size = image_size
        self._config = {
            "embedding_dim": embedding_dim,
            "units": units,
            "cell": cell,
            "dropout": dropout,
            "doubly_stochastic": doubly_stochastic,
            "word_detection": word_detection,
            "special_ids": None if special_ids is None else list(special_ids),
        }
        self.encoder = encoder
        self._make_layers(attention)
        self._finish()

    def _make_layers(self, attention: Attention) -> None:
        config, size = self._config, len(self.vocabulary)
        policy = {"dtype": self.dtype_policy}
        self.embedding = layers.Embedding(size, config["embedding_dim"], **policy)
        self.decoder = AttentionRNN(
            CELLS[config["cell"]][1](config["units"], **policy),
            attention,
            attend="before",
            name="decoder",
            **policy,
        )
        sizes = tree.flatten(self.decoder.cell.state_size)
        self.first_state = vision.MeanState(sizes, name="first_state", **policy)
        self.drop = layers.Dropout(config["dropout"], **policy)
        self.output_layer = layers.Dense(
            config["embedding_dim"], use_bias=False, name="output", **policy
        )
        # Logits stay in float32 under mixed precision: their softmax needs it.
        self.logits = layers.Dense(size, dtype="float32", name="logits")
        self.detection = None
        if config["word_detection"]:
            self.detection = WordDetection(size, self.special_ids, name="detection")
        self.baseline = None
        if attention.normalizer.detached:
            self.baseline = losses.MovingBaseline(name="baseline")

    def _build_parts(self) -> None:
        images = (None, *self.image_size, 3)
        # By a symbolic call: not every layer has a `build` and a `compute_output_shape`.
        found = self.encoder(keras.KerasTensor(images, dtype=self.compute_dtype))
        features = tuple(found.shape) if keras.backend.is_keras_tensor(found) else ()
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

    def call(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        if training:
            self._check_start(inputs)
        features, target = self._features_and_target(inputs, training)
        embedded = self.drop(self.embedding(target), training=training)
        mask = target_mask(target, self.special_ids)
        vectors, maps = self.decoder(
            embedded,
            features,
            initial_state=self.first_state(features),
            sequence_mask=mask,
            return_attention_scores=True,
            training=training,
        )
        logits = self._logits_of(vectors, embedded, training)
        if training:
            self._add_losses(features, maps, logits, target, mask)
        return (logits, maps) if return_attention_scores else logits

    def encode(self, images: Tensor, training: bool | None = None) -> Tensor:
        """Images `(B, H, W, 3)` from 0 to 255 to features `(B, h, w, D)`."""
        images = ops.convert_to_tensor(images)
        expected = (None, *self.image_size, 3)
        check_shape("image", images, expected, "a batch of colour images of the model's size")
        # A frozen encoder gives the features that may have been computed before, without dropout.
        training = training if self.encoder.trainable else False
        return self.encoder(ops.cast(images, self.compute_dtype), training=training)

    def _memory_and_state(self, inputs: Structure) -> tuple[Tensor, None, Structure]:
        features = self._features(inputs if isinstance(inputs, dict) else {"image": inputs})
        return features, None, self.first_state(features)

    def source_mask(self, inputs: Structure) -> None:
        """None: all positions of an image are real."""
        return None

    def _embedded(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)

    def as_maps(self, weights: Tensor) -> Tensor:
        """Weights over all positions `(..., h * w)` as maps `(..., h, w)`."""
        return ops.reshape(weights, (*ops.shape(weights)[:-1], *self.map_shape))

    def _logits_of(
        self, vectors: Tensor, embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        hidden = ops.tanh(self.output_layer(vectors) + embedded)
        logits = self.logits(self.drop(hidden, training=training))
        if self.detection is None:
            return logits
        contexts = vectors[..., -self._features_shape[-1] :]
        return logits + self.detection.logits(contexts)

    def _add_losses(
        self, features: Tensor, maps: Tensor, logits: Tensor, target: Tensor, mask: Tensor
    ) -> None:
        if self.detection is not None:
            loss = self.detection(features, target)
            self.add_loss(self._config["word_detection"] * loss)
        if self._config["doubly_stochastic"]:
            loss = losses.doubly_stochastic_loss(maps, mask)
            self.add_loss(self._config["doubly_stochastic"] * loss)
        # Targets without words give no reward.
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

    def _features_and_target(
        self, inputs: dict[str, Tensor], training: bool | None
    ) -> tuple[Tensor, Tensor]:
        _check_has_target(inputs)
        target = ops.convert_to_tensor(inputs["target"])
        if averaged_over_replicas():
            target = ops.cast(target, "int32")
        check_ids("target", target)
        features = self._features(inputs, training)
        expected = (features.shape[0], target.shape[1])
        check_shape("target", target, expected, "as many targets as images")
        return features, target

    def _features(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        if ("image" in inputs) == ("features" in inputs):
            raise ValueError(
                f"inputs: expected either 'image' or 'features', received {sorted(inputs)}."
            )
        if "image" in inputs:
            return self.encode(inputs["image"], training=training)
        features = ops.convert_to_tensor(inputs["features"], dtype=self.compute_dtype)
        check_shape("features", features, self._features_shape, "what the encoder gives")
        return features

    def compute_output_spec(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        _check_has_target(inputs)
        target = inputs["target"]
        logits = keras.KerasTensor((*target.shape, len(self.vocabulary)))
        if not return_attention_scores:
            return logits
        shape = (*target.shape, *self.map_shape)
        return logits, keras.KerasTensor(shape, dtype=self.decoder.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary.get_config(),
            "image_size": list(self.image_size),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
        }


def _check_has_target(inputs: Any) -> None:
    if not isinstance(inputs, dict) or "target" not in inputs:
        raise ValueError(
            "inputs: expected a dictionary with 'image' (or 'features') and the ids 'target', "
            f"received {sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__}."
        )


def _image_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise ValueError(f"image_size: expected height and width, received {size!r}.")
    for number in size:
        check_positive("image_size", number)
    height, width = size
    return height, width
