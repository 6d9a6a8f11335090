"""The block of a Transformer decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops, tree

from keras_attention import scores
from keras_attention._core.backend.loops import open_sizes
from keras_attention._core.checks import check_flag
from keras_attention._core.memory import Memory
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.layers.beams import attend_beams
from keras_attention.layers.blocks import PreNormBlock, described_score, described_self_score
from keras_attention.layers.multi_head import MultiHeadAttention
from keras_attention.layers.states import TransformerDecoderState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.scores.registry import ScoreIdentifier


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerDecoderBlock(PreNormBlock):
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
        super().__init__(units, num_heads, dropout, feed_forward_dim, **kwargs)
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
        self._make_feed_forward()

    def build(self, sequence_shape: Shape, value_shape: Shape) -> None:
        self.self_norm.build(sequence_shape)
        self.self_attention.build(sequence_shape, sequence_shape)
        self.cross_norm.build(sequence_shape)
        self.cross_attention.build(sequence_shape, value_shape)
        self._build_feed_forward(sequence_shape)
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
        sequence = self._feed_forward(sequence, training)
        return (sequence, weights) if return_attention_scores else sequence

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
        nothing = ops.zeros((ops.shape(memory.keys)[0], 1, self.units), dtype=self.compute_dtype)
        # Later there are more positions, so a graph must not know that there is one.
        nothing = open_sizes(nothing, (nothing.shape[0], None, self.units))
        mask = ops.zeros(ops.shape(nothing)[:2], dtype="bool")
        first = self.self_attention.memory(nothing, mask=mask)
        return TransformerDecoderState(
            first.keys,
            first.values,
            self.self_attention.initial_state(first),
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
        x = self._feed_forward(x + context)
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
        return {**super().get_config(), "score": self.score, "self_score": self.self_score}


def _longer(state: Structure, fresh: Structure) -> Structure:
    """A state of fewer positions, continued by those of a `fresh` one that it lacks."""

    def continued(before: Tensor, first: Tensor) -> Tensor:
        if len(before.shape) < 3:
            return before
        return ops.concatenate([before, first[:, :, ops.shape(before)[2] :]], axis=2)

    return tree.map_structure(continued, state, fresh)
