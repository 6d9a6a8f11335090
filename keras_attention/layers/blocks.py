"""The block of a Transformer."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerBlock(layers.Layer):
    """Self-attention, then two dense layers, each added to what came in.

        x = x + attention(norm(x))
        x = x + dense(relu(dense(norm(x))))

    Sources: Vaswani et al., "Attention Is All You Need", 2017; the place of
    the normalization: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Args:
        units: the size of the input and the output; four times as many between.
        heads: how many attention heads.
        dropout: on what is added.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: `(B, S, units)`.
        mask: `(B, S)`, True for real positions; Keras fills it in.
        training: whether dropout acts.

    Returns:
        `(B, S, units)`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import TransformerBlock
    >>> tuple(TransformerBlock(16)(np.ones((2, 3, 16))).shape)
    (2, 3, 16)
    """

    def __init__(self, units, heads=4, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.heads, self.dropout = units, heads, dropout
        policy = {"dtype": self.dtype_policy}
        self.attention_norm = layers.LayerNormalization(**policy)
        self.attention = layers.MultiHeadAttention(heads, units // heads, **policy)
        self.dense_norm = layers.LayerNormalization(**policy)
        self.widen = layers.Dense(4 * units, activation="relu", **policy)
        self.narrow = layers.Dense(units, **policy)
        self.drop = layers.Dropout(dropout, **policy)
        self.supports_masking = True

    def build(self, sequence_shape):
        self.attention_norm.build(sequence_shape)
        self.attention.build(sequence_shape, sequence_shape)
        self.dense_norm.build(sequence_shape)
        self.widen.build(sequence_shape)
        self.narrow.build((*sequence_shape[:2], 4 * self.units))
        self.built = True

    def call(self, sequence, mask=None, training=None):
        visible = None if mask is None else ops.expand_dims(mask, 1)
        normed = self.attention_norm(sequence)
        seen = self.attention(normed, normed, attention_mask=visible, training=training)
        sequence = sequence + self.drop(seen, training=training)
        thought = self.narrow(self.widen(self.dense_norm(sequence)))
        return sequence + self.drop(thought, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
            "dropout": self.dropout,
        }
