"""The two ways of running an `AttentionRNN` over a sequence: step by step, and all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core import cells
from keras_attention._core.backend.loops import scan
from keras_attention._core.masks import keep_where_masked, zero_where_masked
from keras_attention._core.structure import map_tensors, swap_batch_and_time
from keras_attention._core.types import Structure, Tensor
from keras_attention.layers.scheduled_sampling import ScheduledSampling
from keras_attention.layers.states import AttentionRNNState

if TYPE_CHECKING:
    from keras_attention._core.protocols import AttentionMechanism
    from keras_attention.layers.attention_rnn import AttentionRNN

Found = tuple[Tensor, tuple[Tensor, ...], AttentionRNNState]


def step_by_step(
    rnn: AttentionRNN,
    sequence: Tensor,
    memory: Structure,
    state: AttentionRNNState,
    mask: Tensor | None,
    noise: Structure,
    sampling: ScheduledSampling | None,
    numbers: Structure,
    training: bool | None,
) -> Found:
    """Runs `rnn._step` in a loop.

    Args:
        rnn: the layer.
        sequence: `(B, T, D)`.
        memory: of the attention.
        state: before the first step.
        mask: `(B, T)`, or None.
        noise: of the attention, `(B, T, ...)`, or None.
        sampling: replaces inputs, if `numbers` is not None.
        numbers: random numbers for `sampling`, `(B, T, ...)`, or None.
        training: whether dropout is active.

    Returns:
        The outputs `(B, T, units)`, a tuple of weights `(B, T, S)`, one per source, and the last
        state.
    """
    size = rnn._vector_size(rnn._value_size)
    vector = None
    if numbers is not None:
        vector = ops.zeros((ops.shape(sequence)[0], size), dtype=rnn.compute_dtype)

    def one(before: Structure, x: Structure) -> tuple[Structure, tuple[Tensor, ...]]:
        before, last = before
        inputs, mask, noise, numbers = x
        if sampling is not None and numbers is not None:
            inputs = sampling.replace(inputs, last, numbers)
        output, vector, weights, after = rnn._step(inputs, memory, before, training, noise)
        after = keep_where_masked(mask, after, before)
        returned = vector if rnn.output_attention else output
        returned = tuple(zero_where_masked(mask, y) for y in (returned, *as_tuple(weights)))
        return (after, None if last is None else vector), returned

    xs = map_tensors(swap_batch_and_time, (sequence, mask, noise, numbers))
    dtypes = (rnn.compute_dtype,) * (1 + rnn._num_sources)
    (state, _), returned = scan(one, (state, vector), xs, dtypes)
    outputs, *weights = map(swap_batch_and_time, returned)
    return outputs, tuple(weights), state


def all_at_once(
    rnn: AttentionRNN,
    mechanism: AttentionMechanism,
    sequence: Tensor,
    memory: Structure,
    state: AttentionRNNState,
    mask: Tensor | None,
    noise: Structure,
    training: bool | None,
) -> Found:
    """Runs the cell over the whole sequence, and then all queries at once.

    This gives the numbers of `step_by_step` if neither contexts nor attentional vectors enter the
    cell that gives the query. Arguments and results are those of `step_by_step`.
    """
    outputs, last = _run(rnn, rnn.cell, sequence, state.cell, mask, training)
    contexts, weights, attention = mechanism.attend(
        outputs, memory, state.attention, query_mask=mask, noise=noise
    )
    upper = []
    for cell, its_state in zip(rnn.upper_cells, state.upper):
        joined = ops.cast(join([outputs, contexts]), rnn.compute_dtype)
        outputs, after = _run(rnn, cell, joined, its_state, mask, training)
        upper.append(after)
    if rnn.output_attention:
        outputs = rnn._attentional_vector(outputs, contexts, training)
    weights = [ops.cast(one, rnn.compute_dtype) for one in as_tuple(weights)]
    weights = tuple(zero_where_masked(mask, one) for one in weights)
    state = AttentionRNNState(last, (), attention, tuple(upper))
    return zero_where_masked(mask, outputs), weights, state


def _run(
    rnn: AttentionRNN,
    cell: keras.layers.Layer,
    sequence: Tensor,
    state: Structure,
    mask: Tensor | None,
    training: bool | None,
) -> tuple[Tensor, Structure]:
    """Runs a cell over a whole sequence."""

    def one(before: Structure, x: Structure) -> tuple[Structure, tuple[Tensor]]:
        inputs, mask = x
        output, after = cells.step(cell, inputs, before, training)
        return keep_where_masked(mask, after, before), (output,)

    xs = map_tensors(swap_batch_and_time, (sequence, mask))
    last, (outputs,) = scan(one, state, xs, (rnn.compute_dtype,))
    return swap_batch_and_time(outputs), last


def join(parts: list[Tensor]) -> Tensor:
    """Concatenates the features of one tensor or several."""
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def as_tuple(weights: Structure) -> tuple[Tensor, ...]:
    """The weights of one source or of several, as a tuple."""
    return weights if isinstance(weights, tuple) else (weights,)
