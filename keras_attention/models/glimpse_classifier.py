"""GlimpseClassifier: names what is in an image after every look at a part of it."""

import keras
from keras import ops

from keras_attention._core.cells import output_size
from keras_attention._core.checks import check_number, check_positive, check_shape, score_dtype
from keras_attention.losses import hard_attention_loss
from keras_attention.vision import GlimpseRNN


@keras.saving.register_keras_serializable(package="keras_attention")
class GlimpseClassifier(keras.Model):
    """A `GlimpseRNN` and a classifier on top, trained together by `fit`.

        output_t, place_t = glimpses(image)_t
        logits_t          = W output_t + b

    The loss is a hybrid: classification trains all that can be differentiated,
    the score function where to look,

        loss     = mean_t crossentropy(logits_t, label)
                   - factor * sum_t (reward_t - baseline_t) log p(place_t)
        reward_t = log p(label | the first t glimpses)

    A place is judged by what is known right after looking there, not by what
    becomes of it many glimpses later: greedy, and for that far less noisy than
    the paper's reward, 1 for a right answer at the end. The baseline is learnt
    from the state in which the place is chosen, by least squares; given
    `samples` that look at the same image, it is the mean reward of the others,
    which needs no learning. Neither shifts the gradient in the mean.

    Sources: Mnih et al., "Recurrent Models of Visual Attention", 2014 (learnt
    baseline, hybrid loss); Ba, Mnih and Kavukcuoglu, "Multiple Object
    Recognition with Visual Attention", 2015 (the log-probability as reward);
    the mean of the others: Kool, van Hoof and Welling, "Buy 4 REINFORCE
    Samples, Get a Baseline for Free!", 2019.

    Args:
        glimpses: a `GlimpseRNN`.
        classes: how many.
        samples: how many rows, side by side, are of one image while training
            (`numpy.repeat` makes them); 1 for the learnt baseline.
        factor: of the score-function loss, whose noise also reaches the state
            that the policy reads; 0 does not train where to look.
        **kwargs: of `keras.Model`.

    Call arguments:
        images: `(B, H, W, C)`.
        steps: how many glimpses, or None for those of `glimpses`.
        training: whether places are drawn.

    Returns:
        A dictionary: `"logits"` `(B, T, classes)`, what is known after each
        glimpse; `"places"` `(B, T, 2)`, row and column from -1 to 1;
        `"log_probs"` and `"baselines"` `(B, T)`.

    Raises:
        ValueError: for arguments out of their range.

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

    def __init__(self, glimpses, classes, samples=1, factor=0.1, **kwargs):
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

    def build(self, images_shape):
        self.glimpses.build(images_shape)
        size = output_size(self.glimpses.cell)
        self.logits.build((None, None, size))
        self.baseline.build((None, None, size))
        self.built = True

    def call(self, images, steps=None, training=None):
        outputs, places, log_probs = self.glimpses(
            images, steps=steps, return_locations=True, training=training
        )
        # The place of a glimpse is chosen in the state before it.
        before = ops.pad(outputs[:, :-1], ((0, 0), (1, 0), (0, 0)))
        baselines = self.baseline(ops.stop_gradient(ops.cast(before, "float32")))
        return {
            "logits": self.logits(outputs),
            "places": places,
            "log_probs": log_probs,
            "baselines": ops.squeeze(baselines, -1),
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True, **kwargs
    ):
        """The hybrid loss; `sample_weight` `(B,)` weighs the rows."""
        dtype = score_dtype(self.compute_dtype)
        y_pred = {name: ops.cast(found, dtype) for name, found in y_pred.items()}
        logits, baselines = y_pred["logits"], y_pred["baselines"]
        check_shape("y", y, logits.shape[:1], "one label an image")
        steps = ops.shape(logits)[1]
        labels = ops.repeat(ops.expand_dims(ops.cast(y, "int32"), 1), steps, axis=1)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        right = ops.cast(ops.equal(ops.argmax(logits, axis=-1), labels), "float32")
        self.right.update_state(right[:, -1], sample_weight)
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

    def _mean_of_the_others(self, rewards):
        steps = ops.shape(rewards)[1]
        by_image = ops.reshape(rewards, (-1, self.samples, steps))
        others = ops.sum(by_image, axis=1, keepdims=True) - by_image
        return ops.reshape(others / (self.samples - 1), (-1, steps))

    def get_config(self):
        return {
            **super().get_config(),
            "glimpses": keras.saving.serialize_keras_object(self.glimpses),
            "classes": self.classes,
            "samples": self.samples,
            "factor": self.factor,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        glimpses = keras.saving.deserialize_keras_object(
            config["glimpses"], custom_objects=custom_objects
        )
        return cls(**{**config, "glimpses": glimpses})


def _mean(losses, sample_weight):
    """The mean of `(B, T)`, rows weighed."""
    losses = ops.mean(losses, axis=1)
    if sample_weight is None:
        return ops.mean(losses)
    weights = ops.cast(sample_weight, losses.dtype)
    return ops.divide_no_nan(ops.sum(losses * weights), ops.sum(weights))
