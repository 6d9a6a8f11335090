"""GatedAttention: an attention whose context is scaled by a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import ops

from keras_attention._core.checks import check_choice
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.memory import Memory
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.layers.attention import Attention
from keras_attention.layers.states import AttentionNoise, AttentionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.normalizers.registry import NormalizerIdentifier
    from keras_attention.scores.registry import ScoreIdentifier
    from keras_attention.windows import WindowIdentifier


@keras.saving.register_keras_serializable(package="keras_attention")
class GatedAttention(Attention):
    """An `Attention` whose context is multiplied by a gate computed from the query.

        beta    = sigmoid(w . query + b)               (B, Tq, 1), or (B, Tq, Dv)
        context = beta * sum_j weights_j value_j

    With `AttentionRNN(..., attend="before")` the query is the state h_{t-1}, as
    in the paper. The paper has one gate per query; `gate="vector"` has one per
    feature, as many implementations do. The returned weights do not include
    the gate.

    Source: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation
    with Visual Attention", 2015, section 4.2.1.

    Args:
        score: as in `Attention`; `"additive"` in the paper.
        normalizer: as in `Attention`: `"softmax"` is the paper's soft
            attention, `normalizers.HardSample` its hard attention.
        gate: `"scalar"` or `"vector"`.
        window: as in `Attention`.
        dropout: as in `Attention`.
        seed: as in `Attention`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        As `Attention`, whose other methods it has too.

    Returns:
        As `Attention`: the context `(B, Tq, Dv)`, and on request the weights
        `(B, Tq, Tk)`, for feature maps `(B, Tq, H, W)`.

    Raises:
        ValueError: for an unknown `gate`; else as `Attention`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, vision
    >>> attention = vision.GatedAttention("additive")
    >>> decoder = AttentionRNN(keras.layers.LSTMCell(16), attention, attend="before")
    >>> words, features = np.ones((2, 5, 4)), np.ones((2, 3, 3, 8))
    >>> outputs, maps = decoder(words, features, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(maps.shape)
    ((2, 5, 24), (2, 5, 3, 3))
    """

    def __init__(
        self,
        score: ScoreIdentifier,
        normalizer: NormalizerIdentifier = "softmax",
        gate: Literal["scalar", "vector"] = "scalar",
        window: WindowIdentifier = None,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(score, normalizer, window, dropout, seed, **kwargs)
        self.gate = check_choice("gate", gate, ("scalar", "vector"))

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        super().build(query_shape, value_shape, key_shape)
        self.gate_projection = keras.layers.Dense(
            1 if self.gate == "scalar" else value_shape[-1],
            activation="sigmoid",
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="gate",
        )
        self.gate_projection.build((None, query_shape[-1]))

    def _attend(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, Tensor, AttentionState]:
        contexts, weights, state = super()._attend(
            query, memory, state, query_mask, attention_mask, noise
        )
        if query_mask is not None:
            # Values in the padding must not reach the gate's gradient.
            query = zero_where_masked(ops.cast(query_mask, "bool"), query)
        # At rank 2, since XLA cannot differentiate a Dense of rank 3 inside a loop.
        flat = self.gate_projection(ops.reshape(query, (-1, query.shape[-1])))
        beta = ops.reshape(flat, (*ops.shape(query)[:2], flat.shape[-1]))
        return beta * contexts, weights, state

    def get_config(self) -> Config:
        return {**super().get_config(), "gate": self.gate}
