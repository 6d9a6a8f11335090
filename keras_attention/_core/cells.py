"""What an AttentionRNN asks of the cells of Keras, and of cells that users write."""

import keras
from keras import ops, tree


def check_cell(name, cell):
    """Refuses what is no RNN cell; an LSTM has a state_size too, but runs over whole sequences."""
    steps = callable(cell) and hasattr(cell, "state_size")
    if not steps or isinstance(cell, keras.layers.RNN):
        raise ValueError(
            f"{name}: expected a Keras RNN cell (something to call for one step, with a "
            f"state_size), such as keras.layers.LSTMCell(units), received {cell!r}."
        )


def output_size(cell):
    """The size of what a cell puts out."""
    size = getattr(cell, "output_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size


def build(cell, input_size):
    """Makes a cell's weights, where it is a layer and has none yet."""
    if isinstance(cell, keras.layers.Layer) and not cell.built:
        cell.build((None, input_size))
        cell.built = True


def step(cell, inputs, state, training):
    """One step of a cell: its output, and its state in the form and dtype that it had."""
    knows = getattr(cell, "_call_has_training_arg", False)
    output, after = cell(inputs, state, **({"training": training} if knows else {}))
    # Cells differ in how they wrap a single state.
    after = tree.pack_sequence_as(state, tree.flatten(after))
    return output, tree.map_structure(lambda s, old: ops.cast(s, old.dtype), after, state)


def query_part(cell, state):
    """The part of a state (or of its sizes) that Bahdanau's order asks with."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return query_part(cell.cells[-1], state[-1])
    return state


def zero_state(cell, batch, dtype):
    """The state a cell starts from, as a list."""
    if hasattr(cell, "get_initial_state"):
        state = cell.get_initial_state(batch_size=batch)
    else:
        state = tree.map_structure(lambda size: ops.zeros((batch, size)), cell.state_size)
    state = tree.map_structure(lambda s: ops.cast(s, dtype), state)
    return list(state) if tree.is_nested(state) else [state]


def prime_dropout(cell, inputs, state):
    """Draws the masks of cells with dropout outside the loop that uses them."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part, its_state in zip(cell.cells, state):
            prime_dropout(part, inputs, its_state)
            inputs = ops.zeros((ops.shape(inputs)[0], output_size(part)), dtype=inputs.dtype)
    elif hasattr(cell, "get_dropout_mask"):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(tree.flatten(state)[0])


def reset_dropout(cell):
    """Forgets those masks: Keras' cells keep them until told."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part in cell.cells:
            reset_dropout(part)
    elif hasattr(cell, "reset_dropout_mask"):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
