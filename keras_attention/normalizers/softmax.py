"""Softmax, exponential, sigmoid smoothing and hardmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import check_positive_number
from keras_attention._core.masks import (
    masked_softmax,
    one_hot_of_highest,
    zero_weights_where_masked,
)
from keras_attention._core.types import Config, Tensor
from keras_attention.normalizers.base import Normalizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax(Normalizer):
    """Softmax over the unmasked positions: `exp(s_j / t) / sum_k exp(s_k / t)`.

    The scores are masked before the sum, not the weights after it, so that
    padding changes no other weight. A temperature t below 1 sharpens the
    weights; Chorowski's beta is `1 / t`.

    Source: Bahdanau, Cho and Bengio, 2015; the sharpening: Chorowski et al.,
    "Attention-Based Models for Speech Recognition", 2015.

    Args:
        temperature: t, above 0.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `temperature` is not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Softmax
    >>> scores, mask = np.zeros((1, 1, 3), "float32"), np.array([[[True, True, False]]])
    >>> Softmax()(scores, mask=mask).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def __init__(self, temperature: float = 1.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.temperature = check_positive_number("temperature", temperature)

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        return masked_softmax(scores if self.temperature == 1 else scores / self.temperature, mask)

    def get_config(self) -> Config:
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_attention")
class Exponential(Normalizer):
    """The exponential of each score, not divided by their sum: `exp(s_j)`.

    For scores that are logarithms of weights, as those of
    `keras_attention.scores.GaussianMixture`. The weights need not sum to 1.
    Scores above 10 count as 10, so that float16 can hold the weights.

    Source: Graves, "Generating Sequences With Recurrent Neural Networks", 2013.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Exponential
    >>> scores, mask = np.zeros((1, 1, 3), "float32"), np.array([[[True, True, False]]])
    >>> Exponential()(scores, mask=mask).numpy().tolist()
    [[[1.0, 1.0, 0.0]]]
    """

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        return zero_weights_where_masked(mask, ops.exp(ops.minimum(scores, 10.0)))

    def get_config(self) -> Config:
        # Keras' automatic config of arguments cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Sigmoid(Normalizer):
    """Smoothing: `sigmoid(s_j) / sum_k sigmoid(s_k)`, so that several positions share the weight.

    Source: Chorowski et al., "Attention-Based Models for Speech Recognition",
    2015.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Sigmoid
    >>> Sigmoid()(np.array([[[50.0, 90.0, -90.0]]], "float32")).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        # As the softmax of log sigmoid(s): the sum itself underflows if all scores are low.
        return masked_softmax(ops.log_sigmoid(scores), mask)

    def get_config(self) -> Config:
        # Keras' automatic config of arguments cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Hardmax(Normalizer):
    """Weight 1 at the highest score (the first of equals), 0 elsewhere; no gradient.

    Source: `tfa.seq2seq.hardmax`.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers.softmax import Hardmax
    >>> Hardmax()(np.array([[[1.0, 3.0, 2.0]]], "float32")).numpy().tolist()
    [[[0.0, 1.0, 0.0]]]
    """

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        return one_hot_of_highest(scores, mask)

    def get_config(self) -> Config:
        # Keras' automatic config of arguments cannot hold a dtype policy.
        return {**super().get_config()}
