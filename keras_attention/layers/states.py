"""States and noise of attention layers: named tuples of tensors, batch first everywhere."""

from __future__ import annotations

from typing import NamedTuple

from keras_attention._core.types import Structure, Tensor


class AttentionState(NamedTuple):
    """State of score, normalizer and window; `()` if stateless.

    Attributes:
        score: weights of earlier steps, for scores such as coverage.
        normalizer: weights of the previous step, for monotonic normalizers.
        window: the number of queries so far, for local-m.

    Example:

    >>> from keras_attention import AttentionState
    >>> AttentionState()
    AttentionState(score=(), normalizer=(), window=())
    """

    score: Structure = ()
    normalizer: Structure = ()
    window: Structure = ()


class AttentionNoise(NamedTuple):
    """The random numbers of an attention, sampled before it runs.

    Attributes:
        scores: for the normalizer, or None.
        dropout: the factors of the weights, or None.

    Example:

    >>> import numpy as np
    >>> from keras_attention import LuongAttention
    >>> attention = LuongAttention(dropout=0.5)
    >>> attention.build((None, None, 4), (None, None, 4))
    >>> noise = attention.noise(attention.memory(np.ones((2, 5, 4))), steps=3)
    >>> noise.scores, tuple(noise.dropout.shape)
    (None, (2, 3, 5))
    """

    scores: Tensor | None = None
    dropout: Tensor | None = None


class AttentionRNNState(NamedTuple):
    """State of an `AttentionRNN` between two steps, batch first everywhere.

    Attributes:
        cell: the state of the cell.
        attentional: the last attentional vector `(B, D)` with input feeding,
            else `()`.
        attention: the state of the attention, see `AttentionState`.
        upper: the states of the upper cells, one per cell.

    Example:

    >>> from keras_attention import AttentionRNNState
    >>> AttentionRNNState(cell=[]).attentional
    ()
    """

    cell: Structure
    attentional: Structure = ()
    attention: Structure = ()
    upper: Structure = ()


class TransformerDecoderState(NamedTuple):
    """State of a `TransformerDecoderBlock` between two steps, batch first everywhere.

    Attributes:
        keys: projected keys of the t positions so far `(B, heads, 1 + t, U)`,
            behind one that is masked.
        values: their values `(B, heads, 1 + t, D)`.
        self_attention: the state of the self-attention, see `AttentionState`.
        cross_attention: likewise of the attention over the source.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import TransformerDecoderBlock
    >>> block = TransformerDecoderBlock(8, num_heads=2)
    >>> block.build((None, None, 8), (None, None, 6))
    >>> memory = block.memory(np.ones((3, 5, 6)))
    >>> _, _, state = block.step(np.ones((3, 8)), memory, block.initial_state(memory))
    >>> tuple(state.keys.shape)
    (3, 2, 2, 4)
    """

    keys: Tensor
    values: Tensor
    self_attention: Structure = ()
    cross_attention: Structure = ()
