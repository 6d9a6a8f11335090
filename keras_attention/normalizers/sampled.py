"""Hard attention: one sampled position."""

import keras
from keras import ops

from keras_attention._core.checks import check_choice, check_positive_number
from keras_attention._core.masks import masked_log_softmax, masked_softmax, one_hot_of_highest
from keras_attention.normalizers.base import Normalizer


@keras.saving.register_keras_serializable(package="keras_attention")
class HardSample(Normalizer):
    """Hard attention: one position, drawn from `softmax(s)` while training, else the likeliest.

    The draw is `argmax(s + g)` with Gumbel noise g. It has no gradient of its
    own, so one is estimated:

    - `"straight_through"`: that of `softmax((s + g) / t)`, which is biased and
      varies little. Source: Jang, Gu and Poole, "Categorical Reparameterization
      with Gumbel-Softmax", 2017.
    - `"score_function"` (REINFORCE): the weight of the drawn position, whose
      value is 1, carries the gradient of its log-probability, and the context
      passes none on to the weights. Train with
      `keras_attention.losses.hard_attention_loss`, which multiplies it with the
      reward less a baseline. Source: Xu et al., "Show, Attend and Tell", 2015.

    Args:
        estimator: one of the two.
        temperature: t, above 0.
        seed: of the noise.

    Raises:
        ValueError: for another estimator, or a temperature that is not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.sampled import HardSample
    >>> HardSample()(np.array([[[1.0, 3.0, 2.0]]], "float32")).numpy().tolist()
    [[[0.0, 1.0, 0.0]]]
    """

    def __init__(self, estimator="straight_through", temperature=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_choice("estimator", estimator, ("straight_through", "score_function"))
        check_positive_number("temperature", temperature)
        self.estimator = estimator
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.detached = estimator == "score_function"

    def noise(self, shape, dtype):
        uniform = keras.random.uniform(shape, minval=1e-20, dtype=dtype, seed=self.seed_generator)
        return -ops.log(-ops.log(uniform))

    def call(self, scores, mask=None, noise=None):
        drawn = scores if noise is None else scores + noise
        hard = one_hot_of_highest(drawn, mask)
        if self.estimator == "straight_through":
            soft = masked_softmax(drawn / self.temperature, mask)
            return hard + (soft - ops.stop_gradient(soft))
        log_probability = ops.sum(hard * masked_log_softmax(scores, mask), axis=-1, keepdims=True)
        return hard * (1 + (log_probability - ops.stop_gradient(log_probability)))

    def get_config(self):
        return {
            **super().get_config(),
            "estimator": self.estimator,
            "temperature": self.temperature,
            "seed": self.seed,
        }
