"""RNN cells, those of Keras and those that users write, behind functions of one form."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import keras
from keras import ops, tree

from keras_attention._core.types import Structure, Tensor


@runtime_checkable
class Cell(Protocol):
    """The part of Keras' contract of RNN cells that every cell has."""

    state_size: Structure

    def __call__(self, inputs: Tensor, states: Structure) -> tuple[Tensor, Structure]: ...


# The optional parts.
@runtime_checkable
class _WithOutputSize(Protocol):
    output_size: int


@runtime_checkable
class _WithInitialState(Protocol):
    def get_initial_state(self, batch_size: int | Tensor) -> Structure: ...


@runtime_checkable
class _WithDropout(Protocol):
    def get_dropout_mask(self, step_input: Tensor) -> Tensor: ...

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> Tensor: ...

    def reset_dropout_mask(self) -> None: ...

    def reset_recurrent_dropout_mask(self) -> None: ...


def check_cell(name: str, cell: keras.layers.Layer) -> None:
    """Refuses what is no RNN cell; an LSTM has a state_size too, but runs over whole sequences."""
    if isinstance(cell, type):
        raise ValueError(
            f"{name}: expected a cell, received the class {cell.__name__}; write "
            f"{cell.__name__}(units)."
        )
    if not isinstance(cell, Cell) or isinstance(cell, keras.layers.RNN):
        raise ValueError(
            f"{name}: expected a Keras RNN cell (something to call for one step, with a "
            f"state_size), such as keras.layers.LSTMCell(units), received {cell!r}."
        )


def output_size(cell: keras.layers.Layer) -> int:
    """The size of a cell's output."""
    if isinstance(cell, _WithOutputSize) and cell.output_size is not None:
        return cell.output_size
    return tree.flatten(cell.state_size)[0]


def build(cell: keras.layers.Layer, input_size: int) -> None:
    """Makes a cell's weights, if it is a layer and has none yet."""
    if isinstance(cell, keras.layers.Layer) and not cell.built:
        cell.build((None, input_size))
        cell.built = True


def call(
    layer: keras.layers.Layer,
    *inputs: Structure,
    training: bool | None = None,
    mask: Tensor | None = None,
) -> Structure:
    """Calls a layer or function, with `training` and `mask` if it is a layer that takes them."""
    if not isinstance(layer, keras.layers.Layer):
        return layer(*inputs)
    options = {"training": training} if layer._call_has_training_arg else {}
    if mask is not None and layer._call_has_mask_arg:
        options["mask"] = mask
    return layer(*inputs, **options)


def step(
    cell: keras.layers.Layer, inputs: Tensor, state: Structure, training: bool | None
) -> tuple[Tensor, Structure]:
    """One step of a cell: its output, and its state in the structure and dtypes of `state`."""
    output, after = call(cell, inputs, state, training=training)
    # Cells differ in how they wrap a single state.
    after = tree.pack_sequence_as(state, tree.flatten(after))
    return output, tree.map_structure(lambda s, old: ops.cast(s, old.dtype), after, state)


def query_part(cell: keras.layers.Layer, state: Structure) -> Structure:
    """The part of a state (or of its sizes) that is the query in Bahdanau's order."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return query_part(cell.cells[-1], state[-1])
    return state


def zero_state(cell: keras.layers.Layer, batch: int | Tensor, dtype: str) -> list[Structure]:
    """The initial state of a cell, as a list."""
    if isinstance(cell, _WithInitialState):
        state = cell.get_initial_state(batch_size=batch)
    else:
        state = tree.map_structure(lambda size: ops.zeros((batch, size)), cell.state_size)
    state = tree.map_structure(lambda s: ops.cast(s, dtype), state)
    return list(state) if tree.is_nested(state) else [state]


def prime_dropout(cell: keras.layers.Layer, inputs: Tensor, state: Structure) -> None:
    """Samples the dropout masks of cells outside the loop that uses them."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part, its_state in zip(cell.cells, state):
            prime_dropout(part, inputs, its_state)
            inputs = ops.zeros((ops.shape(inputs)[0], output_size(part)), dtype=inputs.dtype)
    elif isinstance(cell, _WithDropout):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(tree.flatten(state)[0])


def reset_dropout(cell: keras.layers.Layer) -> None:
    """Drops those masks, which Keras' cells keep until they are reset."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part in cell.cells:
            reset_dropout(part)
    elif isinstance(cell, _WithDropout):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
