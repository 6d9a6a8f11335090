"""The block of a Transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from keras_attention._core.checks import check_positive, check_rate
from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerBlock(layers.Layer):
    """Self-attention, then two dense layers, each with a residual connection.

        x = x + attention(norm(x))
        x = x + dense(relu(dense(norm(x))))

    Sources: Vaswani et al., "Attention Is All You Need", 2017; normalization
    before each part: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Args:
        units: the size of the input and the output; the hidden dense layer is
            four times as large.
        num_heads: the number of attention heads.
        dropout: the rate of dropout before each addition.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: `(B, S, units)`.
        mask: `(B, S)`, True for real positions; Keras fills it in.
        training: whether dropout is active.

    Returns:
        `(B, S, units)`.

    Raises:
        ValueError: if `units` or `num_heads` is not positive, or `units` is no
            multiple of `num_heads`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import TransformerBlock
    >>> tuple(TransformerBlock(16)(np.ones((2, 3, 16))).shape)
    (2, 3, 16)
    """

    def __init__(
        self,
        units: int,
        num_heads: int = 4,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_positive("units", units)
        self.num_heads = check_positive("num_heads", num_heads)
        self.dropout = check_rate("dropout", dropout)
        if units % num_heads:
            raise ValueError(
                f"units: expected a multiple of num_heads={num_heads}, received {units}."
            )
        policy = {"dtype": self.dtype_policy}
        self.attention_norm = layers.LayerNormalization(**policy)
        self.attention = layers.MultiHeadAttention(num_heads, units // num_heads, **policy)
        self.dense_norm = layers.LayerNormalization(**policy)
        self.widen = layers.Dense(4 * units, activation="relu", **policy)
        self.narrow = layers.Dense(units, **policy)
        self.drop = layers.Dropout(dropout, **policy)
        self.supports_masking = True

    def build(self, sequence_shape: Shape) -> None:
        self.attention_norm.build(sequence_shape)
        self.attention.build(sequence_shape, sequence_shape)
        self.dense_norm.build(sequence_shape)
        self.widen.build(sequence_shape)
        self.narrow.build((*sequence_shape[:2], 4 * self.units))
        self.built = True

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        attention_mask = None if mask is None else ops.expand_dims(mask, 1)
        normed = self.attention_norm(sequence)
        context = self.attention(normed, normed, attention_mask=attention_mask, training=training)
        sequence = sequence + self.drop(context, training=training)
        hidden = self.narrow(self.widen(self.dense_norm(sequence)))
        return sequence + self.drop(hidden, training=training)

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        return sequence_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config: Config) -> TransformerBlock:
        return super().from_config(present_names("TransformerBlock", config))
