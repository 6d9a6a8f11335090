"""WordDetection: a loss by which a feature map learns the words of its caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Config, Shape, Tensor
from keras_attention.text.special_ids import SpecialIds, as_special_ids

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class WordDetection(layers.Layer):
    """The loss of detecting the words of a caption anywhere in a feature map.

        p_jv = sigmoid(w_v a_j + b_v)                   word v at position j
        p_v  = 1 - prod_j (1 - p_jv)                    anywhere: noisy or
        loss = -sum_{v in caption} log p_v - sum_{other v} log(1 - p_v)

    The positions of the words are not labeled. The layer learns them because
    many images share words.

    Source: Fang et al., "From Captions to Visual Concepts and Back", 2015.

    Args:
        vocabulary_size: the number of ids, the special ones included.
        special_ids: `keras_attention.text.SpecialIds`; padding, start and end
            are not detected.
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

    def __init__(
        self,
        vocabulary_size: int,
        special_ids: SpecialIds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # In float32 under mixed precision, as all losses.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        check_positive("vocabulary_size", vocabulary_size)
        self.vocabulary_size = vocabulary_size
        self.special_ids = as_special_ids(special_ids, vocabulary_size)
        # Initially almost nothing is detected at a position, or every word would be anywhere.
        rare = keras.initializers.Constant(-6.0)
        self.logits = layers.Dense(
            vocabulary_size, bias_initializer=rare, dtype=self.dtype_policy, name="logits"
        )

    def build(self, features_shape: Shape, target_shape: Shape | None = None) -> None:
        self.logits.build(features_shape)
        self.built = True

    def call(self, features: Tensor, target: Tensor) -> Tensor:
        # -log(1 - p_v) is a sum over the positions; p_v stays above 0.
        absence = ops.sum(ops.softplus(self.logits(features)), axis=(1, 2)) + 1e-6
        present = ops.max(ops.one_hot(target, self.vocabulary_size, dtype=absence.dtype), axis=1)
        losses = ops.where(present > 0, -ops.log(-ops.expm1(-absence)), absence)
        # Padding, start and end are not words of the image.
        ids = range(self.vocabulary_size)
        words = ops.convert_to_tensor([i not in self.special_ids.hidden for i in ids])
        return ops.mean(ops.sum(ops.where(words, losses, 0.0), axis=1))

    def compute_output_shape(
        self, features_shape: Shape, target_shape: Shape | None = None
    ) -> Shape:
        return ()

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "special_ids": list(self.special_ids),
        }
