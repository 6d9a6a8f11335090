"""Encoders: embedded tokens become a memory and a summary for the decoder's first state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import layers, ops

from keras_attention._core.checks import check_choice, check_positive, check_rate
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config, Shape, Tensor
from keras_attention.layers.blocks import TransformerBlock, described_score
from keras_attention.layers.positions import sinusoids

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from keras_attention._core.types import LayerOptions
    from keras_attention.scores.registry import ScoreIdentifier

CELLS = {
    "lstm": (layers.LSTM, layers.LSTMCell),
    "gru": (layers.GRU, layers.GRUCell),
}


@keras.saving.register_keras_serializable(package="keras_attention")
class RecurrentEncoder(QuantizedParts):
    """A stack of bidirectional recurrent layers.

    The memory is the output of the top layer, both directions concatenated. The
    summary is the concatenation of all final states of the top layer.

    Source: Bahdanau, Cho and Bengio, 2015.

    Args:
        units: the size of the memory, half of it per direction; even.
        cell: `"lstm"` or `"gru"`.
        num_layers: the number of layers.
        dropout: between the layers.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: `(B, S, D)`.
        mask: `(B, S)`, True for real positions; Keras fills it in. Without
            it the backward direction starts in the padding.
        training: whether dropout is applied.

    Returns:
        The memory `(B, S, units)`, and the summary `(B, units)` for GRUs or
        `(B, 2 * units)` for LSTMs.

    Raises:
        ValueError: for an odd size or an unknown cell.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import RecurrentEncoder
    >>> memory, summary = RecurrentEncoder(8, "gru")(np.ones((2, 3, 4)))
    >>> tuple(memory.shape), tuple(summary.shape)
    ((2, 3, 8), (2, 8))
    """

    def __init__(
        self,
        units: int,
        cell: Literal["lstm", "gru"] = "lstm",
        num_layers: int = 1,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("cell", cell, tuple(CELLS))
        check_positive("units", units)
        check_positive("num_layers", num_layers)
        check_rate("dropout", dropout)
        if units % 2:
            raise ValueError(
                f"units: expected an even number, half of it per direction, received {units}."
            )
        self.units, self.cell, self.num_layers, self.dropout = units, cell, num_layers, dropout
        recurrent = CELLS[cell][0]
        self.recurrent_layers = [
            layers.Bidirectional(
                recurrent(
                    units // 2, return_sequences=True, return_state=True, dtype=self.dtype_policy
                ),
                dtype=self.dtype_policy,
                name=f"bidirectional_{i}",
            )
            for i in range(num_layers)
        ]
        self.between = layers.Dropout(dropout, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, sequence_shape: Shape) -> None:
        for layer in self.recurrent_layers:
            layer.build(sequence_shape)
            sequence_shape = (*sequence_shape[:2], self.units)
        self.built = True

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        for i, layer in enumerate(self.recurrent_layers):
            if i:
                sequence = self.between(sequence, training=training)
            sequence, *states = layer(sequence, mask=mask, training=training)
        return sequence, ops.concatenate(states, axis=-1)

    @property
    def summary_size(self) -> int:
        """The size of the summary."""
        return self.units * (2 if self.cell == "lstm" else 1)

    def compute_mask(
        self, sequence: Tensor, previous_mask: Tensor | None = None
    ) -> list[Tensor | None]:
        return [previous_mask, None]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**present_names("RecurrentEncoder", config))


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerEncoder(QuantizedParts):
    """A stack of transformer blocks, normalized before each sub-layer, over sinusoidal positions.

    The memory is the normalized output; the summary is its mean over the real
    positions.

    Sources: Vaswani et al., "Attention Is All You Need", 2017; the position
    of the normalization: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Args:
        units: the size of the memory, a multiple of `2 * num_heads`.
        num_layers: the number of blocks.
        num_heads: the number of attention heads.
        dropout: after each sub-layer.
        feed_forward_dim, score: as in `TransformerBlock`.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: `(B, S, D)`.
        mask: `(B, S)`, True for real positions; Keras fills it in.
        training: whether dropout is applied.

    Returns:
        The memory `(B, S, units)` and the summary `(B, units)`.

    Raises:
        ValueError: where `units` is not a multiple of `2 * num_heads`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import TransformerEncoder
    >>> memory, summary = TransformerEncoder(16, num_layers=2)(np.ones((2, 3, 4)))
    >>> tuple(memory.shape), tuple(summary.shape)
    ((2, 3, 16), (2, 16))
    """

    def __init__(
        self,
        units: int,
        num_layers: int = 2,
        num_heads: int = 4,
        dropout: float = 0.0,
        feed_forward_dim: int | None = None,
        score: ScoreIdentifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("units", units), ("num_layers", num_layers), ("num_heads", num_heads)):
            check_positive(name, value)
        check_rate("dropout", dropout)
        if units % (2 * num_heads):
            raise ValueError(
                f"units: expected a multiple of 2 * num_heads = {2 * num_heads}, received {units}."
            )
        self.units, self.num_layers, self.num_heads, self.dropout = (
            units,
            num_layers,
            num_heads,
            dropout,
        )
        self.feed_forward_dim = feed_forward_dim
        self.score = None if score is None else described_score(score)
        policy = {"dtype": self.dtype_policy}
        self.projection = layers.Dense(units, name="projection", **policy)
        self.blocks = [
            TransformerBlock(
                units,
                num_heads,
                dropout,
                feed_forward_dim,
                self.score,
                name=f"block_{i}",
                **policy,
            )
            for i in range(num_layers)
        ]
        self.last_norm = layers.LayerNormalization(name="last_norm", **policy)
        self.supports_masking = True

    def build(self, sequence_shape: Shape) -> None:
        self.projection.build(sequence_shape)
        shape = (*sequence_shape[:2], self.units)
        for block in self.blocks:
            block.build(shape)
        self.last_norm.build(shape)
        self.built = True

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        positions = sinusoids(ops.arange(ops.shape(sequence)[1]), self.units)
        x = self.projection(sequence) + ops.cast(positions, self.compute_dtype)
        for block in self.blocks:
            x = block(x, mask=mask, training=training)
        x = self.last_norm(x)
        if mask is None:
            return x, ops.mean(x, axis=1)
        kept = ops.cast(ops.expand_dims(mask, -1), x.dtype)
        return x, ops.sum(x * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1.0)

    @property
    def summary_size(self) -> int:
        """The size of the summary."""
        return self.units

    def compute_mask(
        self, sequence: Tensor, previous_mask: Tensor | None = None
    ) -> list[Tensor | None]:
        return [previous_mask, None]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "feed_forward_dim": self.feed_forward_dim,
            "score": self.score,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**present_names("TransformerEncoder", config))
