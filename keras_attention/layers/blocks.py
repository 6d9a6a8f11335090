"""The blocks of a Transformer: of its encoder and of its decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops, tree

from keras_attention import scores
from keras_attention._core.checks import check_flag, check_positive, check_rate
from keras_attention._core.memory import Memory
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.renamed import present_names
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.layers.beams import attend_beams
from keras_attention.layers.multi_head import MultiHeadAttention
from keras_attention.layers.states import TransformerDecoderState

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


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerBlock(QuantizedParts):
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
        super().__init__(**kwargs)
        self.feed_forward_dim = _checked_sizes(units, num_heads, feed_forward_dim)
        self.units, self.num_heads = units, num_heads
        self.dropout = check_rate("dropout", dropout)
        self.score = None if score is None else described_score(score)
        policy = {"dtype": self.dtype_policy}
        self.attention_norm = layers.LayerNormalization(**policy)
        if self.score is None:
            self.attention = layers.MultiHeadAttention(num_heads, units // num_heads, **policy)
        else:
            self.attention = MultiHeadAttention(
                num_heads, units // num_heads, score=self.score, **policy
            )
        self.dense_norm = layers.LayerNormalization(**policy)
        self.widen = layers.Dense(self.feed_forward_dim, activation="relu", **policy)
        self.narrow = layers.Dense(units, **policy)
        self.drop = layers.Dropout(dropout, **policy)
        self.supports_masking = True

    def build(self, sequence_shape: Shape) -> None:
        self.attention_norm.build(sequence_shape)
        self.attention.build(sequence_shape, sequence_shape)
        self.dense_norm.build(sequence_shape)
        self.widen.build(sequence_shape)
        self.narrow.build((*sequence_shape[:2], self.feed_forward_dim))
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
            "feed_forward_dim": self.feed_forward_dim,
            "score": self.score,
        }

    @classmethod
    def from_config(cls, config: Config) -> TransformerBlock:
        return super().from_config(present_names("TransformerBlock", config))


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerDecoderBlock(QuantizedParts):
    """Causal self-attention, attention over a source, then two dense layers, each with a residual.

        x = x + self_attention(norm(x))
        x = x + cross_attention(norm(x), value)
        x = x + dense(relu(dense(norm(x))))

    `call` runs all positions at once. `step` runs one, and keeps the keys and
    values of the earlier ones in its state, so that each position is projected
    once. The source is projected once, by `memory`.

    Sources: Vaswani et al., "Attention Is All You Need", 2017; normalization
    before each part: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Args:
        units: the size of the input and the output.
        num_heads: the number of attention heads.
        dropout: the rate of dropout before each addition.
        feed_forward_dim: the size of the hidden dense layer, by default four
            times `units`.
        score: how the cross-attention compares queries with keys, see
            `keras_attention.MultiHeadAttention`.
        self_score: likewise of the self-attention; by default as `score`, or
            `"scaled_dot"` if `score` depends on earlier weights.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: `(B, T, units)`.
        value: `(B, S, D)`, the source.
        sequence_mask: `(B, T)`, True for real positions; Keras fills it in.
        value_mask: `(B, S)`, True for real positions; Keras fills it in.
        return_attention_scores: whether to return the weights of the
            cross-attention too, the mean over the heads.
        training: whether dropout is active.

    Returns:
        `(B, T, units)`, and on request the weights `(B, T, S)`.

    Raises:
        ValueError: for sizes that are not positive, `units` that are no
            multiple of `num_heads`, and an unknown score, or one whose first
            weights depend on the number of positions: later ones would change
            the earlier.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import TransformerDecoderBlock
    >>> block = TransformerDecoderBlock(16)
    >>> tuple(block(np.ones((2, 3, 16)), np.ones((2, 5, 8))).shape)
    (2, 3, 16)
    """

    def __init__(
        self,
        units: int,
        num_heads: int = 4,
        dropout: float = 0.0,
        feed_forward_dim: int | None = None,
        score: ScoreIdentifier = "scaled_dot",
        self_score: ScoreIdentifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.feed_forward_dim = _checked_sizes(units, num_heads, feed_forward_dim)
        self.units, self.num_heads = units, num_heads
        self.dropout = check_rate("dropout", dropout)
        self.score = described_score(score)
        self.self_score = described_self_score(self_score, score)
        policy = {"dtype": self.dtype_policy}
        size = units // num_heads
        self.self_norm = layers.LayerNormalization(**policy)
        self.self_attention = MultiHeadAttention(num_heads, size, score=self.self_score, **policy)
        own = self.self_attention.score
        if isinstance(own, (scores.Coverage, scores.Location)) and (
            own.initial_alignment == "uniform"
        ):
            raise ValueError(
                "self_score: expected the initial_alignment 'zeros' or 'first', received 'uniform'."
            )
        self.cross_norm = layers.LayerNormalization(**policy)
        self.cross_attention = MultiHeadAttention(num_heads, size, score=self.score, **policy)
        self.dense_norm = layers.LayerNormalization(**policy)
        self.widen = layers.Dense(self.feed_forward_dim, activation="relu", **policy)
        self.narrow = layers.Dense(units, **policy)
        self.drop = layers.Dropout(dropout, **policy)
        self.supports_masking = True

    def build(self, sequence_shape: Shape, value_shape: Shape) -> None:
        self.self_norm.build(sequence_shape)
        self.self_attention.build(sequence_shape, sequence_shape)
        self.cross_norm.build(sequence_shape)
        self.cross_attention.build(sequence_shape, value_shape)
        self.dense_norm.build(sequence_shape)
        self.widen.build(sequence_shape)
        self.narrow.build((*sequence_shape[:2], self.feed_forward_dim))
        self.built = True

    def call(
        self,
        sequence: Tensor,
        value: Tensor,
        sequence_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        check_flag("return_attention_scores", return_attention_scores)
        normed = self.self_norm(sequence)
        context = self.self_attention(
            normed,
            normed,
            query_mask=sequence_mask,
            value_mask=sequence_mask,
            use_causal_mask=True,
            training=training,
        )
        sequence = sequence + self.drop(context, training=training)
        context, weights = self.cross_attention(
            self.cross_norm(sequence),
            value,
            query_mask=sequence_mask,
            value_mask=value_mask,
            return_attention_scores=True,
            training=training,
        )
        sequence = sequence + self.drop(context, training=training)
        sequence = sequence + self.drop(self._feed_forward(sequence), training=training)
        return (sequence, weights) if return_attention_scores else sequence

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.narrow(self.widen(self.dense_norm(x)))

    def memory(self, value: Tensor, mask: Tensor | None = None) -> Memory:
        """Projects the source once, for any number of steps.

        Args:
            value: `(B, S, D)`.
            mask: `(B, S)`, True for real positions.
        """
        return self.cross_attention.memory(value, mask=mask)

    def initial_state(self, memory: Memory) -> TransformerDecoderState:
        """The state before the first step: keys and values of one masked position.

        Without it they would be empty tensors, which LiteRT and JSON cannot hold.
        """
        batch, _, length = ops.shape(memory.keys)[:3]
        # Later there are more positions, so a graph must not know that there is one: the number
        # is computed from a size.
        one = 1 + length // (length + 1)

        def with_open_size(x: Tensor) -> Tensor:
            return x[:, :, :one] if len(x.shape) > 2 else x

        nothing = ops.zeros((batch, 1, self.units), dtype=self.compute_dtype)
        first = self.self_attention.memory(nothing, mask=ops.zeros((batch, 1), dtype="bool"))
        return TransformerDecoderState(
            with_open_size(first.keys),
            with_open_size(first.values),
            map_tensors(with_open_size, self.self_attention.initial_state(first)),
            self.cross_attention.initial_state(memory),
        )

    def step(
        self, inputs: Tensor, memory: Memory, state: TransformerDecoderState, beams: int = 1
    ) -> tuple[Tensor, Tensor, TransformerDecoderState]:
        """One position.

        Args:
            inputs: `(B * beams, units)`.
            memory: from `memory()`, of B examples.
            state: from `initial_state()`, or the previous step.
            beams: how many consecutive inputs share an example of the memory.

        Returns:
            The output `(B * beams, units)`, the weights of the cross-attention
            `(B * beams, S)` and the next state.
        """
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        normed = self.self_norm(inputs)
        new = self.self_attention.memory(ops.expand_dims(normed, 1))
        keys = ops.concatenate([state.keys, new.keys], axis=2)
        values = ops.concatenate([state.values, new.values], axis=2)
        batch, _, positions = ops.shape(keys)[:3]
        # All but the first, see `initial_state`.
        mask = ops.broadcast_to(ops.arange(positions) > 0, (batch, positions))
        earlier = Memory(keys, values, mask)
        history = _longer(state.self_attention, self.self_attention.initial_state(earlier))
        context, _, history = self.self_attention.step(normed, earlier, history)
        x = inputs + context
        context, weights, looked = attend_beams(
            self.cross_attention, self.cross_norm(x), memory, state.cross_attention, beams=beams
        )
        x = x + context
        x = x + self._feed_forward(x)
        return x, weights, TransformerDecoderState(keys, values, history, looked)

    def compute_output_spec(
        self,
        sequence: Tensor,
        value: Tensor,
        sequence_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        outputs = keras.KerasTensor(tuple(sequence.shape), dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        shape = (*sequence.shape[:2], value.shape[1])
        return outputs, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_output_shape(self, sequence_shape: Shape, value_shape: Shape) -> Shape:
        return sequence_shape

    def compute_mask(self, sequence: Tensor, previous_mask: Structure = None) -> Structure:
        return previous_mask

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "feed_forward_dim": self.feed_forward_dim,
            "score": self.score,
            "self_score": self.self_score,
        }


def _longer(state: Structure, fresh: Structure) -> Structure:
    """A state of fewer positions, continued by those of a `fresh` one that it lacks."""

    def continued(before: Tensor, first: Tensor) -> Tensor:
        if len(before.shape) < 3:
            return before
        return ops.concatenate([before, first[:, :, ops.shape(before)[2] :]], axis=2)

    return tree.map_structure(continued, state, fresh)
