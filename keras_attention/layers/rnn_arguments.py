"""Checks of what an `AttentionRNN` is made of, called with and started from."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import keras
from keras import ops, tree

from keras_attention._core import cells
from keras_attention._core.checks import (
    check_batch,
    check_positive,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention._core.types import Structure, Tensor
from keras_attention.layers.attention_arguments import VALUE_MEANING
from keras_attention.layers.states import AttentionRNNState

if TYPE_CHECKING:
    from keras_attention.layers.attention_rnn import AttentionRNN


def made_cell(cell: Structure) -> keras.layers.Layer:
    """One cell of `cell`, which may be a list of cells to stack."""
    if isinstance(cell, (list, tuple)):
        for part in cell:
            cells.check_cell("cell", part)
        return keras.layers.StackedRNNCells(cell)
    cells.check_cell("cell", cell)
    return cell


def made_attention_layer(
    attention_layer: keras.layers.Layer | int | None, dtype: keras.DTypePolicy
) -> keras.layers.Layer | None:
    """A layer, made if only its size is given."""
    if isinstance(attention_layer, numbers.Integral):
        units = check_positive("attention_layer", cast("int", attention_layer))
        return keras.layers.Dense(units, use_bias=False, dtype=dtype, name="attention_layer")
    if attention_layer is None or isinstance(attention_layer, keras.layers.Layer):
        return attention_layer
    raise ValueError(
        "attention_layer: expected a Keras layer, the size of one, or None, received "
        f"{attention_layer!r}."
    )


def check_attention_fn(
    attention_fn: Callable[..., Tensor] | None, attention_layer: keras.layers.Layer | None
) -> None:
    """Refuses what cannot be called, and an attention layer beside it."""
    if attention_fn is not None and (attention_layer is not None or not callable(attention_fn)):
        raise ValueError(
            "attention_fn: expected a layer or function of (output, context), and no "
            f"attention_layer beside it, received {attention_fn!r}."
        )


def check_rnn_call(
    sequence: Tensor, value: Structure, sequence_mask: Tensor | None, value_mask: Structure
) -> None:
    """Refuses ranks, sizes and masks that do not fit together."""
    check_rank("sequence", sequence, (3,), "(batch, length, features)")
    several = isinstance(value, (list, tuple))
    values = list(value) if several else [value]
    masks = value_mask if several and value_mask is not None else [value_mask] * len(values)
    for one in values:
        check_rank("value", one, (3, 4), VALUE_MEANING)
        check_batch("value", one, sequence.shape[0], "as many examples as sequence has")
    if sequence_mask is not None:
        expected = sequence.shape[:2]
        check_shape("sequence_mask", sequence_mask, expected, "one boolean per step")
    for one, mask in zip(values, masks):
        if mask is not None:
            expected = (one.shape[0], *one.shape[1:-1])
            check_shape("value_mask", mask, expected, "one boolean per position of value")


def checked_state(
    rnn: AttentionRNN,
    sequence: Tensor,
    value: Structure,
    state: Structure,
    sequence_mask: Tensor | None,
    value_mask: Structure,
) -> Structure:
    """Checks the arguments of a call, and returns its initial state in its present form."""
    check_rnn_call(sequence, value, sequence_mask, value_mask)
    several = isinstance(value, (list, tuple))
    values = value if several else [value]
    if rnn.built:
        check_size("sequence", sequence, rnn._sequence_size)
        sizes = rnn._value_size if several else [rnn._value_size]
        for one, size in zip(values, sizes):
            check_size("value", one, size)
    if state is None:
        return None
    batch = sequence.shape[0]
    state = recognized_state(state, rnn.cell, rnn.upper_cells)
    of_cells = state
    if isinstance(state, AttentionRNNState):
        of_cells = (state.cell, state.upper)
        if rnn.input_feeding:
            sizes = [one.shape[-1] for one in values]
            size = rnn._vector_size(sizes if several else sizes[0])
            given = ops.zeros(()) if tree.is_nested(state.attentional) else state.attentional
            meaning = "the attentional vector of a layer with input feeding"
            check_shape("initial_state.attentional", given, (batch, size), meaning)
    sizes = tree.flatten([cell.state_size for cell in rnn._cells])
    for tensor, size in zip(cell_tensors(rnn._cells, of_cells), sizes):
        check_shape("initial_state", tensor, (batch, size), "one state per example")
    return state


def check_rnn_step(inputs: Tensor, memory: Structure, state: Structure, beams: int) -> None:
    """Refuses inputs, memory and state of different batch sizes.

    A batch of 1 would be broadcast silently.
    """
    batch = inputs.shape[0]
    if batch is not None and batch % beams:
        raise ValueError(
            f"inputs: expected a multiple of beams={beams} examples, received shape "
            f"{tuple(inputs.shape)}."
        )
    for part in [] if state is None else tree.flatten(state):
        check_batch("state", part, batch, "as many examples as inputs has")
    examples = None if batch is None else batch // beams
    for part in tree.flatten(memory):
        if part is not None:
            check_batch("memory", part, examples, "an example for each of inputs (by beams)")


def cell_tensors(cell_list: Sequence[keras.layers.Layer], state: Structure) -> list[Tensor]:
    """The tensors of the states of all cells, flat."""
    given = tree.flatten(state)
    count = len(tree.flatten([cell.state_size for cell in cell_list]))
    if len(given) != count:
        names = " and ".join(type(cell).__name__ for cell in cell_list)
        raise ValueError(
            f"initial_state: expected {count} tensors, as {names} has, received {len(given)}."
        )
    return given


def recognized_state(
    state: Structure, cell: keras.layers.Layer, upper_cells: Sequence[keras.layers.Layer]
) -> Structure:
    """`state` as an `AttentionRNNState`, if it is a list of the four parts of one.

    A functional model that was loaded gives a named tuple back as a plain list. The states of the
    cells may be nested in the same way, one list per cell: these have fewer tensors in the last
    entry than all upper cells together.
    """
    if not isinstance(state, (list, tuple)) or isinstance(state, AttentionRNNState):
        return state
    if len(state) != len(AttentionRNNState._fields) or not tree.is_nested(state[0]):
        return state
    sizes = [cell.state_size], [upper.state_size for upper in upper_cells]
    counts = [len(tree.flatten(part)) for part in (state[0], state[-1])]
    if counts != [len(tree.flatten(size)) for size in sizes]:
        return state
    return AttentionRNNState(*(part if len(tree.flatten(part)) else () for part in state))
