"""GlimpseClassifier: classifies an image after every glimpse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.cells import output_size
from keras_attention._core.checks import check_number, check_positive, check_shape, score_dtype
from keras_attention._core.types import Config, Shape, Structure, Tensor
from keras_attention.losses import hard_attention_loss
from keras_attention.vision import GlimpseRNN

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self, Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class GlimpseClassifier(keras.Model):
    """A `GlimpseRNN` with a classifier, trained together by `fit`.

        output_t, location_t = glimpses(image)_t
        logits_t             = W output_t + b

    The loss is a hybrid. The classification loss trains the differentiable
    parts, the score function (REINFORCE) the policy that chooses locations:

        loss     = mean_t crossentropy(logits_t, label)
                   - factor * sum_t (reward_t - baseline_t) log p(location_t)
        reward_t = log p(label | the first t glimpses)

    The reward of a location is the log-likelihood right after its glimpse, not
    that of the last glimpse. It is greedy and far less noisy than the reward of
    the paper, 1 for a correct answer at the end. The baseline is a regression
    on the state before the glimpse; with several `samples` of the same image it
    is the mean reward of the other samples. Neither biases the gradient.

    Sources: Mnih et al., "Recurrent Models of Visual Attention", 2014 (learnt
    baseline, hybrid loss); Ba, Mnih and Kavukcuoglu, "Multiple Object
    Recognition with Visual Attention", 2015 (the log-probability as reward);
    the mean of the others: Kool, van Hoof and Welling, "Buy 4 REINFORCE
    Samples, Get a Baseline for Free!", 2019.

    Args:
        glimpses: a `GlimpseRNN`.
        classes: the number of classes.
        samples: the number of consecutive examples of a training batch that are
            the same image (use `numpy.repeat`); 1 for the learned baseline.
        factor: of the score-function loss; 0 does not train the policy.
        **kwargs: of `keras.Model`.

    Call arguments:
        images: `(B, H, W, C)`.
        steps: the number of glimpses, or None for that of `glimpses`.
        training: whether locations are sampled.

    Returns:
        A dictionary: `"logits"` `(B, T, classes)` after each glimpse;
        `"places"` `(B, T, 2)`, the locations, row and column from -1 to 1;
        `"log_probs"` and `"baselines"` `(B, T)`.

    Raises:
        ValueError: for arguments out of range.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import vision
    >>> from keras_attention.models import GlimpseClassifier
    >>> glimpses = vision.GlimpseRNN(keras.layers.GRUCell(16), steps=4)
    >>> model = GlimpseClassifier(glimpses, classes=10)
    >>> found = model(np.zeros((2, 32, 32, 1)))
    >>> tuple(found["logits"].shape), tuple(found["places"].shape)
    ((2, 4, 10), (2, 4, 2))
    """

    def __init__(
        self,
        glimpses: GlimpseRNN,
        classes: int,
        samples: int = 1,
        factor: float = 0.1,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(glimpses, GlimpseRNN):
            raise ValueError(f"glimpses: expected a GlimpseRNN, received {glimpses!r}.")
        check_positive("classes", classes)
        check_positive("samples", samples)
        check_number("factor", factor, at_least=0)
        self.glimpses, self.classes = glimpses, classes
        self.samples, self.factor = samples, factor
        self.logits = keras.layers.Dense(classes, dtype=self.dtype_policy, name="logits")
        # In float32, as the losses are.
        self.baseline = keras.layers.Dense(1, dtype="float32", name="baseline")
        self.right = keras.metrics.Mean(name="accuracy")

    def build(self, images_shape: Shape) -> None:
        self.glimpses.build(images_shape)
        size = output_size(self.glimpses.cell)
        self.logits.build((None, None, size))
        self.baseline.build((None, None, size))
        self.built = True

    def call(
        self, images: Tensor, steps: int | None = None, training: bool | None = None
    ) -> dict[str, Tensor]:
        outputs, locations, log_probs = self.glimpses(
            images, steps=steps, return_locations=True, training=training
        )
        # The location of a glimpse is chosen in the state before it.
        before = ops.pad(outputs[:, :-1], ((0, 0), (1, 0), (0, 0)))
        baselines = self.baseline(ops.stop_gradient(ops.cast(before, "float32")))
        return {
            "logits": self.logits(outputs),
            "places": locations,
            "log_probs": log_probs,
            "baselines": ops.squeeze(baselines, -1),
        }

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: dict[str, Tensor] | None = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
        **kwargs: object,
    ) -> Tensor:
        """The hybrid loss; `sample_weight` `(B,)` weights the examples."""
        if y_pred is None:
            raise ValueError("y_pred: expected the outputs of the model, received None.")
        dtype = score_dtype(self.compute_dtype)
        y_pred = {name: ops.cast(found, dtype) for name, found in y_pred.items()}
        logits, baselines = y_pred["logits"], y_pred["baselines"]
        check_shape("y", y, logits.shape[:1], "one label per image")
        steps = ops.shape(logits)[1]
        labels = ops.repeat(ops.expand_dims(ops.cast(y, "int32"), 1), steps, axis=1)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        correct = ops.cast(ops.equal(ops.argmax(logits, axis=-1), labels), "float32")
        self.right.update_state(correct[:, -1], sample_weight)
        rewards = ops.stop_gradient(-losses)
        loss = _mean(losses, sample_weight)
        loss = loss + _mean(ops.square(baselines - rewards), sample_weight)
        if self.factor:
            if self.samples > 1 and training:
                baselines = self._mean_of_the_others(rewards)
            log_probs = ops.expand_dims(y_pred["log_probs"], 2)
            loss = loss + self.factor * hard_attention_loss(
                log_probs, rewards, ops.stop_gradient(baselines), sample_weight=sample_weight
            )
        for other in self.losses:
            loss = loss + other
        return loss

    def _mean_of_the_others(self, rewards: Tensor) -> Tensor:
        """The mean reward of the other samples of the same image."""
        steps = ops.shape(rewards)[1]
        by_image = ops.reshape(rewards, (-1, self.samples, steps))
        others = ops.sum(by_image, axis=1, keepdims=True) - by_image
        return ops.reshape(others / (self.samples - 1), (-1, steps))

    def export(
        self,
        filepath: str | Path,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Structure = None,
        **kwargs: Structure,
    ) -> None:
        """As `keras.Model.export`; a model that was built need not have been called.

        Args:
            filepath: a folder, for ONNX and LiteRT a file.
            format, verbose, input_signature, **kwargs: of `keras.Model.export`.
        """
        if input_signature is None and self.built:
            shape = self.get_build_config()["input_shape"]
            spec = keras.InputSpec(self.input_dtype, (None, *shape[1:]))
            input_signature = [spec]
        super().export(filepath, format, verbose, input_signature, **kwargs)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "glimpses": keras.saving.serialize_keras_object(self.glimpses),
            "classes": self.classes,
            "samples": self.samples,
            "factor": self.factor,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, type] | None = None) -> Self:
        glimpses = keras.saving.deserialize_keras_object(
            config["glimpses"], custom_objects=custom_objects
        )
        return cls(**{**config, "glimpses": glimpses})


def _mean(losses: Tensor, sample_weight: Tensor | None) -> Tensor:
    """The mean of losses `(B, T)`, weighted over the examples."""
    losses = ops.mean(losses, axis=1)
    if sample_weight is None:
        return ops.mean(losses)
    weights = ops.cast(sample_weight, losses.dtype)
    return ops.divide_no_nan(ops.sum(losses * weights), ops.sum(weights))
