"""What an `AttentionRNN` returns, as symbolic tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from keras_attention._core import cells
from keras_attention._core.structure import map_tensors, spec_of
from keras_attention._core.types import Structure, Tensor
from keras_attention.layers.multi_source import MultiSourceAttention
from keras_attention.layers.states import AttentionRNNState

if TYPE_CHECKING:
    from keras_attention.layers.attention_rnn import AttentionRNN


def output_specs(
    rnn: AttentionRNN,
    sequence: Tensor,
    value: Structure,
    value_mask: Structure,
    return_attention_scores: bool,
    return_state: bool,
) -> Structure:
    """The results of calling `rnn`, as symbolic tensors of their shapes and dtypes."""

    def spec(*shape: int | None) -> keras.KerasTensor:
        return keras.KerasTensor(shape, dtype=rnn.compute_dtype)

    batch, length = sequence.shape[:2]
    values = value if isinstance(value, (list, tuple)) else [value] * rnn._num_sources
    several = isinstance(rnn.attention, MultiSourceAttention)
    sizes = [one.shape[-1] for one in values]
    size = sizes if several else sizes[0]
    results: list[Structure] = [spec(batch, length, rnn.output_size(size))]
    if return_attention_scores:
        weights = [spec(batch, length, *one.shape[1:-1]) for one in values]
        results.append(weights if several else weights[0])
    if return_state:
        states = [cells.zero_state(cell, 1, rnn.compute_dtype) for cell in rnn._cells]
        states = map_tensors(lambda s: spec(batch, *s.shape[1:]), states)
        fed = spec(batch, rnn._vector_size(size)) if rnn.input_feeding else ()

        def attention_state(value: Structure, mask: Structure = None) -> Structure:
            mechanism = rnn._mechanism()
            return mechanism.initial_state(mechanism.memory(value, mask=mask))

        attention = spec_of(attention_state, value, value_mask)
        results.append(AttentionRNNState(states[0], fed, attention, tuple(states[1:])))
    return results[0] if len(results) == 1 else tuple(results)
