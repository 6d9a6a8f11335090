"""Recurrent layers: one step of the cell."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from keras_attention._core import cells
from keras_attention._core.masks import keep_where_masked, zero_where_masked
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call
from keras_attention.generation.any_model.graph import mask_of
from keras_attention.generation.any_model.rules.base import (
    Arguments,
    NoStepRuleError,
    NotCausalError,
    moves,
)
from keras_attention.generation.any_model.rules.memories import as_map, positions_of
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.rnn_arguments import cell_tensors
from keras_attention.layers.states import AttentionRNNState


class KerasRNN:
    """`keras.layers.RNN` with any cell: LSTM, GRU, SimpleRNN, stacked cells.

    As in Keras, a masked step keeps the state and repeats the output before it.

    Args:
        has_initial_state: whether the call has one; a step is not given it if
            it depends on the sources alone.
    """

    @classmethod
    def of(cls, call: Call) -> KerasRNN:
        """The rule for a call."""
        if call.operation.go_backwards:
            raise NotCausalError(call.name, "which runs backwards over the target")
        sequences = Arguments(call.args, call.kwargs).get(0, "sequences")
        if not sequences.has_time:
            raise NoStepRuleError(
                f"model: expected a sequence of the target's positions for layer {call.name!r}, "
                f"received shape {tuple(sequences.spec.shape)}."
            )
        return cls(Arguments(call.args, call.kwargs).get(1, "initial_state") is not None)

    def __init__(self, has_initial_state: bool = False) -> None:
        self._has_initial_state = has_initial_state

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The first state of the cell."""
        cell = layer.get_initial_state(batch)
        given = arguments.get(1, "initial_state")
        state: dict[str, Structure] = {}
        if moves(given):
            # Known at the first step, and then in the state.
            state["started"] = ops.zeros((batch,), dtype="bool")
        elif given is not None:
            flat = [ops.convert_to_tensor(x) for x in tree.flatten(given)]
            cell = tree.pack_sequence_as(cell, flat)
        dtype = layer.cell.compute_dtype
        state["cell"] = tree.map_structure(lambda x: ops.cast(x, dtype), cell)
        if self._mask(arguments) is not None and not layer.zero_output_for_mask:
            size = cells.output_size(layer.cell)
            state["output"] = ops.zeros((batch, size), dtype=dtype)
        return None, state

    def step(
        self,
        layer: Any,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """One step of the cell."""
        before, after = state["cell"], {}
        if "started" in state:
            given = arguments.get(1, "initial_state")
            given = tree.pack_sequence_as(before, tree.flatten(given))
            given = tree.map_structure(lambda x, old: ops.cast(x, old.dtype), given, before)
            before = keep_where_masked(state["started"], before, given)
            after["started"] = ops.ones_like(state["started"])
        inputs = arguments.get(0, "sequences")[:, 0]
        output, after["cell"] = cells.step(layer.cell, inputs, before, False)
        mask = self._mask(arguments)
        if mask is not None:
            mask = ops.cast(ops.reshape(mask, (-1,)), "bool")
            after["cell"] = keep_where_masked(mask, after["cell"], before)
            if layer.zero_output_for_mask:
                output = zero_where_masked(mask, output)
            else:
                output = keep_where_masked(mask, output, ops.cast(state["output"], output.dtype))
        if "output" in state:
            after["output"] = output
        output = ops.cast(output, layer.compute_dtype)
        outputs = [ops.expand_dims(output, 1) if layer.return_sequences else output]
        if layer.return_state:
            last = tree.flatten(after["cell"])
            outputs += [ops.cast(x, layer.compute_dtype) for x in last]
        return outputs, after, None

    def _mask(self, arguments: Arguments) -> Tensor | None:
        mask = arguments.get(2, "mask")
        if mask is None and not self._has_initial_state:
            # Beside an initial state Keras does not see the mask of the sequence.
            mask = mask_of(arguments.get(0, "sequences"))
        return mask


class OneStep:
    """`AttentionRNN` and its subclasses, by `step`.

    Args:
        call: the call of the layer.
    """

    def __init__(self, call: Call) -> None:
        arguments = Arguments(call.args, call.kwargs)
        sequence, value = arguments.get(0, "sequence"), arguments.get(1, "value")
        if any(one.moves for one in tree.flatten(value)) or not sequence.has_time:
            raise NotCausalError(call.name, "which attends to the target")
        self._positions = positions_of(value)

    def start(
        self, layer: AttentionRNN, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The memory of the attention, and the first state."""
        value, mask = arguments.get(1, "value"), arguments.get(4, "value_mask")
        if mask is None:
            mask = tree.map_structure(mask_of, value)
        memory = layer._mechanism().memory(value, mask=mask)
        given = arguments.get(2, "initial_state")
        if not moves(given):
            return memory, {"state": layer.initial_state(memory, given)}
        if isinstance(given, AttentionRNNState):
            raise NoStepRuleError(
                f"model: expected an initial state of the cell of layer {layer.name!r}, or one "
                "that does not depend on the target, received an AttentionRNNState that does."
            )
        started = ops.zeros((batch,), dtype="bool")
        return memory, {"state": layer.initial_state(memory), "started": started}

    def step(
        self,
        layer: AttentionRNN,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """One step of the layer."""
        before, after = state["state"], {}
        if "started" in state:
            before = self._with_given(layer, arguments.get(2, "initial_state"), state)
            after["started"] = ops.ones_like(state["started"])
        sequence, mask = arguments.get(0, "sequence"), arguments.get(3, "sequence_mask")
        mask = mask_of(sequence) if mask is None else mask
        inputs = sequence[:, 0]
        if mask is not None:
            mask = ops.cast(ops.reshape(mask, (-1,)), "bool")
            inputs = zero_where_masked(mask, inputs)
        vector, weights, after["state"] = layer.step(inputs, memory, before, beams=beams)
        weights = tree.flatten(weights)
        if mask is not None:
            after["state"] = keep_where_masked(mask, after["state"], before)
            vector = zero_where_masked(mask, vector)
            weights = [zero_where_masked(mask, w) for w in weights]
        outputs = [ops.expand_dims(vector, 1)]
        if arguments.get(5, "return_attention_scores"):
            pairs = zip(weights, self._positions * len(weights))
            outputs += [as_map(ops.expand_dims(w, 1), its) for w, its in pairs]
        if arguments.get(6, "return_state"):
            outputs += tree.flatten(after["state"])
        return outputs, after, weights[-1]

    @staticmethod
    def _with_given(layer: AttentionRNN, given: Structure, state: Structure) -> AttentionRNNState:
        before = state["state"]
        own = [before.cell, *before.upper]
        given = tree.pack_sequence_as(own, cell_tensors(layer._cells, given))
        given = tree.map_structure(lambda x, old: ops.cast(x, old.dtype), given, own)
        cell, *upper = keep_where_masked(state["started"], own, given)
        return before._replace(cell=cell, upper=tuple(upper))


def refuse_bidirectional(call: Call) -> keras.layers.Layer:
    """Bidirectional layers read the target from its end."""
    raise NotCausalError(call.name, "which is bidirectional and reads the target from its end")
