"""One step of an `AttentionRNN`, and the state between two steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from keras_attention._core import cells
from keras_attention._core.protocols import AttentionMechanism, as_mechanism
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.structure import map_tensors, spec_of
from keras_attention._core.types import Structure, Tensor
from keras_attention.layers import rnn_arguments as arguments
from keras_attention.layers.beams import attend_beams
from keras_attention.layers.rnn_loops import join
from keras_attention.layers.states import AttentionRNNState


class RecurrentStep(QuantizedParts):
    """The step that training, decoding and every export of an `AttentionRNN` run.

    Attributes:
        cell, attention, attend, input_feeding, attention_layer, attention_fn, upper_cells,
            output_attention: the arguments of `AttentionRNN`.
    """

    cell: keras.layers.Layer
    # Kept as it is, so that Keras tracks and saves it; see `_mechanism`.
    attention: Any
    attend: str
    input_feeding: bool
    attention_layer: keras.layers.Layer | None
    attention_fn: Callable[[Tensor, Tensor], Tensor] | None
    upper_cells: list[keras.layers.Layer]
    output_attention: bool
    # Of the values, and of what enters the cell.
    _value_size: Structure
    _input_size: int

    @property
    def cell_output_size(self) -> int:
        """The size of the last cell's output."""
        return cells.output_size(self._cells[-1])

    @property
    def _cells(self) -> list[keras.layers.Layer]:
        return [self.cell, *self.upper_cells]

    def _mechanism(self) -> AttentionMechanism:
        # No attribute or property: Keras would save the attention under its name.
        return as_mechanism(self.attention)

    def _vector_size(self, value_size: int | list[int]) -> int:
        context = self._mechanism().context_size(value_size)
        if self.attention_fn is not None:
            output = keras.KerasTensor((None, self.cell_output_size), dtype=self.compute_dtype)
            given = keras.KerasTensor((None, context), dtype=self.compute_dtype)
            return spec_of(self.attention_fn, output, given).shape[-1]
        size = self.cell_output_size + context
        if self.attention_layer is None:
            return size
        return self.attention_layer.compute_output_shape((None, size))[-1]

    def step(
        self,
        inputs: Tensor,
        memory: Structure,
        state: AttentionRNNState,
        training: bool | None = None,
        noise: Structure = None,
        beams: int = 1,
    ) -> tuple[Tensor, Structure, AttentionRNNState]:
        """One step, the same in training, decoding and every export.

        Args:
            inputs: `(B, D)`.
            memory: from `attention.memory()`; with `beams`, of `B / beams`
                examples.
            state: from `initial_state()`, or the previous step.
            training: whether the cell's dropout is active; Keras' cells sample
                their masks at the first step after `initial_state()`.
            noise: one step of the result of `attention.noise()`.
            beams: how many consecutive inputs share an example of the memory.

        Returns:
            The attentional vector `(B, units)`, or the cell's output, the
            weights `(B, S)` (with several attentions a tuple) and the next
            state.

        Raises:
            ValueError: if inputs, memory and state have different batch sizes.
        """
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        arguments.check_rnn_step(inputs, memory, state, beams)
        output, vector, weights, state = self._step(inputs, memory, state, training, noise, beams)
        return vector if self.output_attention else output, weights, state

    def _step(
        self,
        inputs: Tensor,
        memory: Structure,
        state: AttentionRNNState,
        training: bool | None,
        noise: Structure,
        beams: int = 1,
    ) -> tuple[Tensor, Tensor, Structure, AttentionRNNState]:
        context = weights = None
        parts = [ops.convert_to_tensor(inputs, dtype=self.compute_dtype)]
        attention = state.attention
        if self.attend == "before":
            query = tree.flatten(cells.query_part(self.cell, state.cell))[0]
            context, weights, attention = self._attend(query, memory, attention, noise, beams)
            parts.append(context)
        if self.input_feeding:
            parts.append(state.attentional)
        output, cell_state = cells.step(self.cell, join(parts), state.cell, training)
        if self.attend == "after":
            context, weights, attention = self._attend(output, memory, attention, noise, beams)
        upper = []
        for cell, its_state in zip(self.upper_cells, state.upper):
            joined = ops.cast(join([output, context]), self.compute_dtype)
            output, its_state = cells.step(cell, joined, its_state, training)
            upper.append(its_state)
        vector = self._attentional_vector(output, context, training)
        fed = vector if self.input_feeding else ()
        after = AttentionRNNState(cell_state, fed, attention, tuple(upper))
        return output, vector, weights, after

    def initial_state(self, memory: Structure, state: Structure = None) -> AttentionRNNState:
        """The state before the first step.

        Args:
            memory: from `attention.memory()`.
            state: the cell's first state (and then those of the upper cells),
                or a whole `AttentionRNNState`, which is returned as it is; by
                default the cells' own.

        Returns:
            An `AttentionRNNState`.

        Raises:
            ValueError: if `state` has not as many tensors as the cells.
        """
        # A new sequence has dropout masks of its own.
        self._reset_dropout()
        attention = self._mechanism().initial_state(memory)
        if isinstance(state, AttentionRNNState):
            # A functional model that was loaded gives other containers around the same tensors.
            upper = tuple(
                cells.zero_state(cell, 1, self.compute_dtype) for cell in self.upper_cells
            )
            return state._replace(
                attention=tree.pack_sequence_as(attention, tree.flatten(state.attention)),
                upper=tree.pack_sequence_as(upper, tree.flatten(state.upper)),
            )
        batch = ops.shape(tree.flatten(memory)[0])[0]
        states: Structure = [
            cells.zero_state(cell, batch, self.compute_dtype) for cell in self._cells
        ]
        if state is not None:
            flat = arguments.cell_tensors(self._cells, state)
            flat = [ops.convert_to_tensor(one, dtype=self.compute_dtype) for one in flat]
            states = tree.pack_sequence_as(states, flat)
        attentional = ()
        if self.input_feeding:
            size = self._vector_size(self._value_size)
            attentional = ops.zeros((batch, size), dtype=self.compute_dtype)
        return AttentionRNNState(states[0], attentional, attention, tuple(states[1:]))

    def _feeds_back(self) -> bool:
        return self.attend == "before" or self.input_feeding

    def _prime_dropout(self, sequence: Tensor, state: AttentionRNNState) -> None:
        batch = ops.shape(sequence)[0]
        context_size = self._mechanism().context_size(self._value_size)
        size = self._input_size
        for cell, its_state in zip(self._cells, (state.cell, *state.upper)):
            inputs = ops.zeros((batch, size), dtype=self.compute_dtype)
            cells.prime_dropout(cell, inputs, its_state)
            size = cells.output_size(cell) + context_size

    def _reset_dropout(self) -> None:
        for cell in self._cells:
            cells.reset_dropout(cell)

    def _attend(
        self, query: Tensor, memory: Structure, state: Structure, noise: Structure, beams: int
    ) -> tuple[Tensor, Structure, Structure]:
        context, weights, state = attend_beams(
            self._mechanism(), query, memory, state, noise, beams
        )
        return context, map_tensors(lambda w: ops.cast(w, self.compute_dtype), weights), state

    def _attentional_vector(self, output: Tensor, context: Tensor, training: bool | None) -> Tensor:
        # The cell and the attention may compute in other dtypes than this layer.
        output, context = (ops.cast(x, self.compute_dtype) for x in (output, context))
        size = ops.shape(output)[:-1]
        # At rank 2, as in a step, since the layer was built for that.
        flat = [ops.reshape(x, (-1, x.shape[-1])) for x in (output, context)]
        if self.attention_fn is not None:
            vectors = cells.call(self.attention_fn, *flat, training=training)
        elif self.attention_layer is not None:
            vectors = cells.call(self.attention_layer, join(flat), training=training)
        else:
            vectors = join(flat)
        vectors = ops.cast(vectors, self.compute_dtype)
        return ops.reshape(vectors, (*size, vectors.shape[-1]))
