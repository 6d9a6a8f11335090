"""Hard attention: one sampled position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import ops

from keras_attention._core.checks import check_choice, check_positive_number
from keras_attention._core.masks import masked_log_softmax, masked_softmax, one_hot_of_highest
from keras_attention._core.types import Config, Tensor
from keras_attention.normalizers.base import Normalizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class HardSample(Normalizer):
    """Hard attention: one position, sampled from `softmax(s)` in training, else the most likely.

    The sample is `argmax(s + g)` with Gumbel noise g. It has no gradient, so
    one is estimated:

    - `"straight_through"`: the gradient of `softmax((s + g) / t)`, which is
      biased and has a low variance. Source: Jang, Gu and Poole, "Categorical
      Reparameterization with Gumbel-Softmax", 2017.
    - `"score_function"` (REINFORCE): the weight of the sampled position, which
      is 1, has the gradient of its log-probability; the gradient of the context
      stops at the weights. Train with
      `keras_attention.losses.hard_attention_loss`, which multiplies it by the
      reward minus a baseline. Source: Xu et al., "Show, Attend and Tell", 2015.

    Args:
        estimator: `"straight_through"` or `"score_function"`.
        temperature: t, above 0.
        seed: of the noise.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: for an unknown estimator, or a temperature that is not above
            0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.sampled import HardSample
    >>> HardSample()(np.array([[[1.0, 3.0, 2.0]]], "float32")).numpy().tolist()
    [[[0.0, 1.0, 0.0]]]
    """

    def __init__(
        self,
        estimator: Literal["straight_through", "score_function"] = "straight_through",
        temperature: float = 1.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("estimator", estimator, ("straight_through", "score_function"))
        self.estimator = estimator
        self.temperature = check_positive_number("temperature", temperature)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.detached = estimator == "score_function"

    def noise(self, shape: tuple[int | Tensor, ...], dtype: str) -> Tensor | None:
        uniform = keras.random.uniform(shape, minval=1e-20, dtype=dtype, seed=self.seed_generator)
        return -ops.log(-ops.log(uniform))

    def call(
        self, scores: Tensor, mask: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        noisy = scores if noise is None else scores + noise
        hard = one_hot_of_highest(noisy, mask)
        if self.estimator == "straight_through":
            soft = masked_softmax(noisy / self.temperature, mask)
            return hard + (soft - ops.stop_gradient(soft))
        log_probability = ops.sum(hard * masked_log_softmax(scores, mask), axis=-1, keepdims=True)
        return hard * (1 + (log_probability - ops.stop_gradient(log_probability)))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "estimator": self.estimator,
            "temperature": self.temperature,
            "seed": self.seed,
        }
