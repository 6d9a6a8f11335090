"""Softmax, sigmoid smoothing and hardmax."""

import keras
from keras import ops

from keras_attention._core.checks import check_positive_number
from keras_attention._core.masks import masked_softmax, one_hot_of_highest
from keras_attention.normalizers.base import Normalizer


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax(Normalizer):
    """Softmax over the positions that the mask keeps: `exp(s_j / t) / sum_k exp(s_k / t)`.

    The mask acts on the scores before the sum, not on the weights after it:
    what stands in the padding changes no other weight. A temperature t below 1
    sharpens; Chorowski's beta is `1 / t`.

    Source: Bahdanau, Cho and Bengio, 2015; the sharpening: Chorowski et al.,
    "Attention-Based Models for Speech Recognition", 2015.

    Args:
        temperature: t, above 0.

    Raises:
        ValueError: where `temperature` is not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Softmax
    >>> scores, mask = np.zeros((1, 1, 3), "float32"), np.array([[[True, True, False]]])
    >>> Softmax()(scores, mask=mask).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        check_positive_number("temperature", temperature)
        self.temperature = temperature

    def call(self, scores, mask=None):
        return masked_softmax(scores if self.temperature == 1 else scores / self.temperature, mask)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_attention")
class Sigmoid(Normalizer):
    """Smoothing: `sigmoid(s_j) / sum_k sigmoid(s_k)`, which lets several positions share.

    Source: Chorowski et al., "Attention-Based Models for Speech Recognition",
    2015.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Sigmoid
    >>> Sigmoid()(np.array([[[50.0, 90.0, -90.0]]], "float32")).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores, mask=None):
        # The softmax of log sigmoid(s): where all scores are low the sum itself would vanish.
        return masked_softmax(ops.log_sigmoid(scores), mask)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Hardmax(Normalizer):
    """All weight on the highest score, the first of equals; no gradient.

    Source: `tfa.seq2seq.hardmax`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Hardmax
    >>> Hardmax()(np.array([[[1.0, 3.0, 2.0]]], "float32")).numpy().tolist()
    [[[0.0, 1.0, 0.0]]]
    """

    def call(self, scores, mask=None):
        return one_hot_of_highest(scores, mask)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}
