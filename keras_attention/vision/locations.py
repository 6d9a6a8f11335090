"""Location policies: how a glimpse network chooses where to look next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import (
    check_features,
    check_positive_number,
    check_rank,
    score_dtype,
)
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, LayerOptions, Seed, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _LocationPolicy(QuantizedParts):
    """A distribution of locations that is computed from a state `(B, D)`."""

    def __init__(self, seed: Seed, **kwargs: Unpack[LayerOptions]) -> None:
        # The location itself is at least float32, whatever the mean is computed in.
        super().__init__(**{"autocast": False, **kwargs})
        is_generator = isinstance(seed, keras.random.SeedGenerator)
        self._seed = None if is_generator else seed
        self.seed = seed if is_generator else keras.random.SeedGenerator(seed)

    def compute_output_spec(
        self, state: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        dtype = score_dtype(self.compute_dtype)
        batch = state.shape[0]
        return keras.KerasTensor((batch, 2), dtype), keras.KerasTensor((batch,), dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "seed": self._seed}


@keras.saving.register_keras_serializable(package="keras_attention", name="GaussianPlaces")
class GaussianLocations(_LocationPolicy):
    """Samples the next location from a normal distribution around a predicted mean.

        mean     = tanh(W state + b)
        location ~ Normal(mean, std)                             in training
        location = mean                                          otherwise

    W is initialized with zeros: before any training the mean is the center of
    the image.

    A sampled location may lie outside the image. The log-probability is that
    of the location as sampled; the caller clips it to [-1, 1] afterwards.
    Clipped first, it would be the density at a location that was not sampled.
    No gradient flows through the sample. The gradient of the log-probability
    with respect to the mean is the score-function estimate.

    Source: Mnih et al., "Recurrent Models of Visual Attention", 2014, the
    location network.

    Args:
        std: standard deviation, in units where the image spans [-1, 1]. A
            built layer has it as the non-trainable variable `std`, so that a
            callback can decrease it: a large value explores, a small one looks
            precisely.
        seed: an integer, a `keras.random.SeedGenerator`, or None.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        state: `(B, D)`.
        noise: `(B, 2)`, from `noise()`, or None for the mean.

    Returns:
        The locations `(B, 2)` as sampled, and their log-probabilities `(B,)`,
        both in at least float32.

    Raises:
        ValueError: if `std` is not above 0, or if the state has another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> locations, _ = vision.GaussianLocations()(np.ones((1, 4)))
    >>> locations.numpy().tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, std: float = 0.3, seed: Seed = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(seed, **kwargs)
        self.first_std = check_positive_number("std", std)

    def build(self, state_shape: Shape, noise_shape: Shape | None = None) -> None:
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

    def noise(self, shape: Shape, training: bool | None = None) -> Tensor | None:
        """Standard normal noise of `shape` in training, else None."""
        return keras.random.normal(shape, seed=self.seed) if training else None

    def call(self, state: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_rank("state", state, (2,), "(batch, features)")
        mean = ops.cast(self.mean(state), score_dtype(self.compute_dtype))
        std = ops.convert_to_tensor(self.std)
        location = mean
        if noise is not None:
            location = mean + std * ops.cast(noise, mean.dtype)
        location = ops.stop_gradient(location)
        squares = ops.sum(ops.square((location - mean) / std), axis=-1)
        return location, -0.5 * squares - 2 * ops.log(std) - math.log(2 * math.pi)

    def get_config(self) -> Config:
        return {**super().get_config(), "std": self.first_std}


@keras.saving.register_keras_serializable(package="keras_attention", name="UniformPlaces")
class UniformLocations(_LocationPolicy):
    """Samples every location uniformly from the whole image: a baseline for learned policies.

    Args:
        seed: an integer, a `keras.random.SeedGenerator`, or None.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        state: `(B, D)`. Its values are not used.
        noise: `(B, 2)`, from `noise()`.

    Returns:
        The locations `(B, 2)`, and their log-probabilities `(B,)`, both in at
        least float32.

    Raises:
        ValueError: if the state has another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> policy = vision.UniformLocations(seed=1)
    >>> locations, log_probs = policy(np.ones((1, 4)), policy.noise((1, 2)))
    >>> round(float(log_probs[0]), 4)
    -1.3863
    """

    def __init__(self, seed: Seed = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(seed, **kwargs)

    def build(self, state_shape: Shape, noise_shape: Shape | None = None) -> None:
        self.built = True

    def noise(self, shape: Shape, training: bool | None = None) -> Tensor:
        """Uniform locations of `shape`, in training and in inference."""
        return keras.random.uniform(shape, -1.0, 1.0, seed=self.seed)

    def call(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        check_rank("state", state, (2,), "(batch, features)")
        location = ops.cast(noise, score_dtype(self.compute_dtype))
        # The density is 1/4 everywhere.
        return location, ops.zeros_like(location[:, 0]) - math.log(4.0)
