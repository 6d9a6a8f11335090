"""The block of a Transformer encoder, and what it shares with that of the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from keras_attention import scores
from keras_attention._core.checks import check_positive, check_rate
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config, LayerOptions, Shape, Tensor
from keras_attention.layers.multi_head import MultiHeadAttention

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.scores.registry import ScoreIdentifier


def described_score(score: ScoreIdentifier) -> str | Config:
    """A score as its name or config, of which every attention makes a score of its own."""
    if isinstance(score, str):
        scores.get(score)
        return score
    config = dict(scores.serialize(scores.get(score)))
    # The sizes of another attention.
    config.pop("build_config", None)
    return config


def described_self_score(
    self_score: ScoreIdentifier | None, score: ScoreIdentifier
) -> str | Config:
    """The score of self-attention: by default `score`, or scaled dot if that looks back."""
    if self_score is not None:
        return described_score(self_score)
    looks_back = type(scores.get(score)).initial_state is not scores.Score.initial_state
    return "scaled_dot" if looks_back else described_score(score)


def _checked_sizes(units: int, num_heads: int, feed_forward_dim: int | None) -> int:
    """The size of the hidden dense layer; refuses sizes that do not fit."""
    check_positive("units", units)
    check_positive("num_heads", num_heads)
    if units % num_heads:
        raise ValueError(f"units: expected a multiple of num_heads={num_heads}, received {units}.")
    if feed_forward_dim is None:
        return 4 * units
    return check_positive("feed_forward_dim", feed_forward_dim)


class PreNormBlock(QuantizedParts):
    """Base of the blocks: their sizes, and two dense layers with a residual connection.

    A subclass ends its constructor with `_make_feed_forward()`.
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        dropout: float,
        feed_forward_dim: int | None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.feed_forward_dim = _checked_sizes(units, num_heads, feed_forward_dim)
        self.units, self.num_heads = units, num_heads
        self.dropout = check_rate("dropout", dropout)
        self.supports_masking = True

    def _make_feed_forward(self) -> None:
        policy = {"dtype": self.dtype_policy}
        self.dense_norm = layers.LayerNormalization(**policy)
        self.widen = layers.Dense(self.feed_forward_dim, activation="relu", **policy)
        self.narrow = layers.Dense(self.units, **policy)
        self.drop = layers.Dropout(self.dropout, **policy)

    def _build_feed_forward(self, sequence_shape: Shape) -> None:
        self.dense_norm.build(sequence_shape)
        self.widen.build(sequence_shape)
        self.narrow.build((*sequence_shape[:2], self.feed_forward_dim))

    def _feed_forward(self, x: Tensor, training: bool | None = False) -> Tensor:
        """`x + dense(relu(dense(norm(x))))`."""
        hidden = self.narrow(self.widen(self.dense_norm(x)))
        return x + self.drop(hidden, training=training)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "feed_forward_dim": self.feed_forward_dim,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerBlock(PreNormBlock):
    """Self-attention, then two dense layers, each with a residual connection.

        x = x + attention(norm(x))
        x = x + dense(relu(dense(norm(x))))

    Sources: Vaswani et al., "Attention Is All You Need", 2017; normalization
    before each part: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Args:
        units: the size of the input and the output.
        num_heads: the number of attention heads.
        dropout: the rate of dropout before each addition.
        feed_forward_dim: the size of the hidden dense layer, by default four
            times `units`.
        score: how queries are compared with keys, as in
            `keras_attention.MultiHeadAttention`, which then is the attention;
            None for `keras.layers.MultiHeadAttention`.
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
        feed_forward_dim: int | None = None,
        score: ScoreIdentifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(units, num_heads, dropout, feed_forward_dim, **kwargs)
        self.score = None if score is None else described_score(score)
        policy = {"dtype": self.dtype_policy}
        self.attention_norm = layers.LayerNormalization(**policy)
        if self.score is None:
            self.attention = layers.MultiHeadAttention(num_heads, units // num_heads, **policy)
        else:
            self.attention = MultiHeadAttention(
                num_heads, units // num_heads, score=self.score, **policy
            )
        self._make_feed_forward()

    def build(self, sequence_shape: Shape) -> None:
        self.attention_norm.build(sequence_shape)
        self.attention.build(sequence_shape, sequence_shape)
        self._build_feed_forward(sequence_shape)
        self.built = True

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        normed = self.attention_norm(sequence)
        if self.score is None:
            seen = None if mask is None else ops.expand_dims(mask, 1)
            context = self.attention(normed, normed, attention_mask=seen, training=training)
        else:
            context = self.attention(
                normed, normed, query_mask=mask, value_mask=mask, training=training
            )
        sequence = sequence + self.drop(context, training=training)
        return self._feed_forward(sequence, training)

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        return sequence_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "score": self.score}

    @classmethod
    def from_config(cls, config: Config) -> TransformerBlock:
        return super().from_config(present_names("TransformerBlock", config))
