"""GatedAttention: how much of the image a word needs at all."""

import keras
from keras import ops

from keras_attention._core.checks import check_choice
from keras_attention._core.masks import zero_where_masked
from keras_attention.layers.attention import Attention


@keras.saving.register_keras_serializable(package="keras_attention")
class GatedAttention(Attention):
    """An `Attention` whose context is gated by the query: looks, and how much it trusts that.

        beta    = sigmoid(w . query + b)               (B, Tq, 1), or (B, Tq, Dv)
        context = beta * sum_j weights_j value_j

    With `AttentionRNN(..., attend="before")` the query is the state h_{t-1}, as
    published. The gate is one number a query, also as published; many
    implementations have one for each feature, which is `gate="vector"`. The
    weights are those of the attention, without the gate.

    Source: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation
    with Visual Attention", 2015, section 4.2.1.

    Args:
        score: as in `Attention`; the paper's is `"additive"`.
        normalizer: as in `Attention`: `"softmax"` is the paper's soft
            attention, a `normalizers.HardSample` its hard one.
        gate: `"scalar"` or `"vector"`.
        window, dropout, seed: as in `Attention`, whose call, memory, state and
            noise this has.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        As `Attention`.

    Returns:
        As `Attention`: the context `(B, Tq, Dv)`, and on request the weights
        `(B, Tq, Tk)`, for feature maps `(B, Tq, H, W)`.

    Raises:
        ValueError: for another `gate`; else as `Attention`.

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
        score,
        normalizer="softmax",
        gate="scalar",
        window=None,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(score, normalizer, window, dropout, seed, **kwargs)
        check_choice("gate", gate, ("scalar", "vector"))
        self.gate = gate

    def build(self, query_shape, value_shape, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.gate_projection = keras.layers.Dense(
            1 if self.gate == "scalar" else value_shape[-1],
            activation="sigmoid",
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="gate",
        )
        self.gate_projection.build((None, query_shape[-1]))

    def _attend(self, query, memory, state, query_mask, visible, noise):
        contexts, weights, state = super()._attend(query, memory, state, query_mask, visible, noise)
        if query_mask is not None:
            # What stands in the padding must not reach the gate's gradient.
            query = zero_where_masked(ops.cast(query_mask, "bool"), query)
        # By rows: inside a loop XLA cannot differentiate a Dense at rank 3.
        rows = self.gate_projection(ops.reshape(query, (-1, query.shape[-1])))
        beta = ops.reshape(rows, (*ops.shape(query)[:2], rows.shape[-1]))
        return beta * contexts, weights, state

    def get_config(self):
        return {**super().get_config(), "gate": self.gate}
