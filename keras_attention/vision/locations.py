"""How a glimpse network chooses where to look next: one small class a way."""

import math

import keras
from keras import ops

from keras_attention._core.checks import (
    check_features,
    check_positive_number,
    check_rank,
    score_dtype,
)


@keras.saving.register_keras_serializable(package="keras_attention")
class GaussianPlaces(keras.layers.Layer):
    """Draws the next place around the one that a state points to.

        mean  = tanh(W state + b)
        place ~ Normal(mean, std)                                while training
        place = mean                                             otherwise

    W starts at zero: before any training it looks at the middle.

    A drawn place may lie outside the image. Its log-probability is that of the
    place as drawn; whoever looks there cuts it to [-1, 1] afterwards. The other
    order would give the density at a place that was not drawn. No gradient
    flows through the draw, and the log-probability, whose gradient is the
    score-function estimate, has it with respect to the mean alone.

    Source: Mnih et al., "Recurrent Models of Visual Attention", 2014, the
    location network.

    Args:
        std: the standard deviation, where the image spans from -1 to 1. A
            built layer has it as a variable that does not train by itself: wide
            at first finds what there is to see, narrow later sees it well.
        seed: an integer, or a `keras.random.SeedGenerator`.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        state: `(B, D)`.
        noise: `(B, 2)`, from `noise()`, or None for the mean.

    Returns:
        The places `(B, 2)` as drawn, and their log-probabilities `(B,)`, both
        in at least float32.

    Raises:
        ValueError: for a `std` that is not above 0, and states that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> places, _ = vision.GaussianPlaces()(np.ones((1, 4)))
    >>> places.numpy().tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, std=0.3, seed=None, **kwargs):
        # The mean is computed in half precision, but not the place itself.
        super().__init__(**{"autocast": False, **kwargs})
        check_positive_number("std", std)
        self.first_std = std
        made = isinstance(seed, keras.random.SeedGenerator)
        self._seed = None if made else seed
        self.seed = seed if made else keras.random.SeedGenerator(seed)

    def build(self, state_shape, noise_shape=None):
        check_features(state=state_shape)
        self.mean = keras.layers.Dense(
            2, "tanh", kernel_initializer="zeros", dtype=self.dtype_policy, name="mean"
        )
        self.mean.build(state_shape)
        self.std = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.first_std),
            dtype=score_dtype(self.compute_dtype),
            trainable=False,
            autocast=False,
            name="std",
        )
        self.built = True

    def noise(self, shape, training=None):
        """Standard normal numbers of `shape` while training, else None."""
        return keras.random.normal(shape, seed=self.seed) if training else None

    def call(self, state, noise=None):
        check_rank("state", state, (2,), "(batch, features)")
        mean = ops.cast(self.mean(state), score_dtype(self.compute_dtype))
        std = ops.convert_to_tensor(self.std)
        place = mean
        if noise is not None:
            place = mean + std * ops.cast(noise, mean.dtype)
        place = ops.stop_gradient(place)
        squares = ops.sum(ops.square((place - mean) / std), axis=-1)
        return place, -0.5 * squares - 2 * ops.log(std) - math.log(2 * math.pi)

    def compute_output_spec(self, state, noise=None):
        dtype = score_dtype(self.compute_dtype)
        batch = state.shape[0]
        return keras.KerasTensor((batch, 2), dtype), keras.KerasTensor((batch,), dtype)

    def get_config(self):
        return {**super().get_config(), "std": self.first_std, "seed": self._seed}


@keras.saving.register_keras_serializable(package="keras_attention")
class UniformPlaces(keras.layers.Layer):
    """Draws every place from the whole image, whatever was seen: what a choice is measured by.

    Args:
        seed: an integer, or a `keras.random.SeedGenerator`.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        state: `(B, D)`.
        noise: `(B, 2)`, from `noise()`.

    Returns:
        The places `(B, 2)`, and their log-probabilities `(B,)`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> policy = vision.UniformPlaces(seed=1)
    >>> places, log_probs = policy(np.ones((1, 4)), policy.noise((1, 2)))
    >>> round(float(log_probs[0]), 4)
    -1.3863
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        made = isinstance(seed, keras.random.SeedGenerator)
        self._seed = None if made else seed
        self.seed = seed if made else keras.random.SeedGenerator(seed)

    def build(self, state_shape, noise_shape=None):
        self.built = True

    def noise(self, shape, training=None):
        """Places of `shape`, while training and afterwards."""
        return keras.random.uniform(shape, -1.0, 1.0, seed=self.seed)

    def call(self, state, noise):
        check_rank("state", state, (2,), "(batch, features)")
        place = ops.cast(noise, score_dtype(self.compute_dtype))
        # The density is 1/4 everywhere.
        return place, ops.zeros_like(place[:, 0]) - math.log(4.0)

    def compute_output_spec(self, state, noise):
        dtype = score_dtype(self.compute_dtype)
        batch = state.shape[0]
        return keras.KerasTensor((batch, 2), dtype), keras.KerasTensor((batch,), dtype)

    def get_config(self):
        return {**super().get_config(), "seed": self._seed}
