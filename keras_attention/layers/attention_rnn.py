"""AttentionRNN: a recurrent cell with attention to a memory at every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import keras
from keras import ops, tree

from keras_attention._core import cells
from keras_attention._core.checks import (
    check_call,
    check_choice,
    check_features,
    check_flag,
)
from keras_attention._core.freezing import freeze_parts
from keras_attention._core.masks import zero_where_masked
from keras_attention._core.memory import unflatten_positions
from keras_attention._core.protocols import AttentionMechanism, StepwiseMechanism, as_mechanism
from keras_attention._core.types import Config, LayerOptions, Shape, Shapes, Structure, Tensor
from keras_attention.layers import rnn_arguments as arguments
from keras_attention.layers.multi_source import MultiSourceAttention
from keras_attention.layers.rnn_loops import all_at_once, step_by_step
from keras_attention.layers.rnn_specs import output_specs
from keras_attention.layers.rnn_step import RecurrentStep
from keras_attention.layers.scheduled_sampling import ScheduledSampling

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionRNN(RecurrentStep):
    """Runs a recurrent cell with attention to a memory at every step.

    With `attend="after"` (Luong's order, and that of tfa's AttentionWrapper)
    the cell's output is the query:

        output_t, state_t = cell([x_t; a_{t-1}], state_{t-1})
        context_t         = attention(output_t, memory)
        a_t               = attention_layer([output_t; context_t])

    With `attend="before"` (Bahdanau's order, also Xu's for captions) the
    previous state is the query, and the context enters the cell:

        context_t         = attention(state_{t-1}, memory)
        output_t, state_t = cell([x_t; context_t], state_{t-1})
        a_t               = attention_layer([output_t; context_t])

    The layer returns the attentional vectors a_t. Without an
    `attention_layer`, a_t is `[output_t; context_t]` itself. With input
    feeding a_{t-1}, zeros at first, is concatenated to the cell's input. The
    state that is the query in Bahdanau's order is the first state tensor of
    the cell (an LSTM's h), in a stack that of the last cell.

    With `attend="after"` and no input feeding, the cell runs over the whole
    sequence first and all queries attend at once: the same numbers, much
    faster.

    With `upper_cells` the attention belongs to the first layer of a stack:
    each upper cell reads `[output below; context_t]`, and output_t is that of
    the last. With several attentions context_t is all their contexts, joined.

    Sources: Luong, Pham and Manning, 2015; Bahdanau, Cho and Bengio, 2015;
    attention at the first layer: Wu et al., "Google's Neural Machine
    Translation System", 2016.

    Args:
        cell: any Keras RNN cell: `LSTMCell`, `GRUCell`, `SimpleRNNCell`,
            `StackedRNNCells` or your own; a list of cells is stacked.
        attention: an attention layer, or a list of several. Your own needs
            the methods `memory`, `initial_state` and `step` of `Attention`.
        attend: `"after"` or `"before"`.
        input_feeding: whether a_{t-1} enters the cell; by default True with
            `"after"`, as in Luong's paper, and False with `"before"`, where
            the context enters the cell anyway.
        attention_layer: a layer for `[output; context]`, or the size of a
            `Dense` without bias or activation (as in tfa; Luong's has a tanh,
            which saturates early on large vocabularies), or None.
        attention_fn: instead of an attention layer, your own
            `attention_fn(output, context)`, which returns a_t: a layer, or a
            function (registered with Keras, if it is to be saved).
        upper_cells: cells above the one with attention.
        output_attention: whether to return a_t; if not, output_t is returned,
            and a_t only fed.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: the inputs `(B, T, D)`.
        value: the values to attend to, `(B, S, Dv)` or `(B, H, W, Dv)`; with
            several attentions a list, or one value for all.
        initial_state: the cell's first state (a tensor, or a list as the cell
            has it; then those of the upper cells), or a whole state that an
            earlier call returned; by default the cells' own.
        sequence_mask: `(B, T)`; a masked step leaves the state unchanged, and
            its output and weights are zero. Keras fills it in.
        value_mask: `(B, S)` or `(B, H, W)`. Keras fills it in.
        return_attention_scores: whether to return the weights.
        return_state: whether to return the last `AttentionRNNState`.
        sampling: a `keras_attention.layers.ScheduledSampling`, which while
            training replaces some inputs by the model's own output.
        training: whether dropout and sampling are active.

    Returns:
        The attentional vectors `(B, T, units)`; on request, in this order, the
        weights `(B, T, S)` or `(B, T, H, W)` (with several attentions a list),
        and the last state.

    Raises:
        ValueError: for something that is no cell or no attention, an unknown
            `attend`, ranks, sizes, masks or states that do not fit, and empty
            input.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, BahdanauAttention
    >>> decoder = AttentionRNN(keras.layers.GRUCell(16), BahdanauAttention(8), attend="before")
    >>> sequence, value = np.ones((2, 3, 4)), np.ones((2, 5, 6))
    >>> outputs, weights = decoder(sequence, value, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(weights.shape)
    ((2, 3, 22), (2, 3, 5))
    """

    def __init__(
        self,
        cell: keras.layers.Layer | Sequence[keras.layers.Layer],
        attention: AttentionMechanism
        | StepwiseMechanism
        | Sequence[AttentionMechanism | StepwiseMechanism],
        attend: Literal["after", "before"] = "after",
        input_feeding: bool | None = None,
        attention_layer: keras.layers.Layer | int | None = None,
        attention_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
        upper_cells: Sequence[keras.layers.Layer] = (),
        output_attention: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.cell = arguments.made_cell(cell)
        for upper in upper_cells:
            cells.check_cell("upper_cells", upper)
        if isinstance(attention, (list, tuple)):
            attention = MultiSourceAttention(attention, dtype=self.dtype_policy)
        as_mechanism(attention)
        self.attention = attention
        self.attend = check_choice("attend", attend, ("after", "before"))
        self.input_feeding = attend == "after" if input_feeding is None else bool(input_feeding)
        self.attention_layer = arguments.made_attention_layer(attention_layer, self.dtype_policy)
        arguments.check_attention_fn(attention_fn, self.attention_layer)
        self.attention_fn = attention_fn
        self.upper_cells = list(upper_cells)
        self.output_attention = check_flag("output_attention", output_attention)
        self.supports_masking = True

    def __call__(self, *args: Structure, **kwargs: Structure) -> Structure:
        check_call(args, kwargs, "sequence", "value")
        return super().__call__(*args, **kwargs)

    @property
    def _num_sources(self) -> int:
        several = isinstance(self.attention, MultiSourceAttention)
        return len(self.attention.attentions) if several else 1

    def output_size(self, value_size: int | list[int]) -> int:
        """The size of the outputs, over values of `value_size` features (or a list of sizes)."""
        return self._vector_size(value_size) if self.output_attention else self.cell_output_size

    def build(self, sequence_shape: Shape, value_shape: Shapes) -> None:
        value_size = _sizes(value_shape)
        shapes: Structure = value_shape if isinstance(value_size, list) else [value_shape]
        for shape in shapes:
            check_features(sequence=sequence_shape, value=shape)
        query_size = cells.output_size(self.cell)
        if self.attend == "before":
            query_size = tree.flatten(cells.query_part(self.cell, self.cell.state_size))[0]
        if not self.attention.built:
            self.attention.build((None, None, query_size), value_shape)
            self.attention.built = True
        context_size = self._mechanism().context_size(value_size)
        if isinstance(self.attention_fn, keras.layers.Layer) and not self.attention_fn.built:
            # Built by calling it, since the arguments of its build are not known.
            context = ops.zeros((1, context_size), dtype=self.compute_dtype)
            output = ops.zeros((1, self.cell_output_size), dtype=self.compute_dtype)
            self.attention_fn(output, context)
        if self.attention_layer is not None and not self.attention_layer.built:
            self.attention_layer.build((None, self.cell_output_size + context_size))
        self._input_size = tree.flatten(sequence_shape)[-1]
        if self.attend == "before":
            self._input_size += context_size
        if self.input_feeding:
            self._input_size += self._vector_size(value_size)
        cells.build(self.cell, self._input_size)
        for below, cell in zip(self._cells, self.upper_cells):
            cells.build(cell, cells.output_size(below) + context_size)
        self._sequence_size = sequence_shape[-1]
        self._value_size = value_size
        parts = (*self._cells, self.attention, self.attention_layer, self.attention_fn)
        freeze_parts(self, [part for part in parts if isinstance(part, keras.layers.Layer)])
        self.built = True

    def call(
        self,
        sequence: Tensor,
        value: Structure,
        initial_state: Structure = None,
        sequence_mask: Tensor | None = None,
        value_mask: Structure = None,
        return_attention_scores: bool = False,
        return_state: bool = False,
        sampling: ScheduledSampling | None = None,
        training: bool | None = None,
    ) -> Structure:
        initial_state = arguments.checked_state(
            self, sequence, value, initial_state, sequence_mask, value_mask
        )
        mechanism = self._mechanism()
        memory = mechanism.memory(value, mask=value_mask)
        state = self.initial_state(memory, initial_state)
        length = ops.shape(sequence)[1]
        if sequence_mask is not None:
            sequence_mask = ops.cast(sequence_mask, "bool")
            # Values in the padding must not reach a gradient either.
            sequence = zero_where_masked(sequence_mask, sequence)
        noise = mechanism.noise(memory, length, bool(training))
        numbers = None
        if training and sampling is not None:
            numbers = sampling.noise(ops.shape(sequence)[0], length)
        if training:
            self._prime_dropout(sequence, state)
        if numbers is not None or self._feeds_back():
            outputs, weights, state = step_by_step(
                self, sequence, memory, state, sequence_mask, noise, sampling, numbers, training
            )
        else:
            outputs, weights, state = all_at_once(
                self, mechanism, sequence, memory, state, sequence_mask, noise, training
            )
        if training:
            self._reset_dropout()

        results = [outputs]
        if return_attention_scores:
            results.append(self._as_maps(weights, value))
        if return_state:
            results.append(state)
        return results[0] if len(results) == 1 else tuple(results)

    def _as_maps(self, weights: tuple[Tensor, ...], value: Structure) -> Structure:
        values = value if isinstance(value, (list, tuple)) else [value] * len(weights)
        maps = [unflatten_positions(*pair) for pair in zip(weights, values)]
        return maps if isinstance(self.attention, MultiSourceAttention) else maps[0]

    def compute_output_spec(
        self,
        sequence: Tensor,
        value: Structure,
        initial_state: Structure = None,
        sequence_mask: Tensor | None = None,
        value_mask: Structure = None,
        return_attention_scores: bool = False,
        return_state: bool = False,
        sampling: ScheduledSampling | None = None,
        training: bool | None = None,
    ) -> Structure:
        arguments.checked_state(self, sequence, value, initial_state, sequence_mask, value_mask)
        return output_specs(
            self, sequence, value, value_mask, return_attention_scores, return_state
        )

    def compute_output_shape(self, sequence_shape: Shape, value_shape: Shapes) -> Shape:
        return (*sequence_shape[:2], self.output_size(_sizes(value_shape)))

    def compute_mask(self, sequence: Tensor, previous_mask: Structure = None) -> Structure:
        return previous_mask

    def get_config(self) -> Config:
        def serialized(layer: keras.layers.Layer | None) -> Config | None:
            return None if layer is None else keras.saving.serialize_keras_object(layer)

        return {
            **super().get_config(),
            "cell": serialized(self.cell),
            "attention": serialized(self.attention),
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "attention_layer": serialized(self.attention_layer),
            "attention_fn": serialized(self.attention_fn),
            "upper_cells": [serialized(cell) for cell in self.upper_cells],
            "output_attention": self.output_attention,
        }

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: Mapping[str, Any] | None = None
    ) -> AttentionRNN:
        def made(part: Structure) -> Structure:
            if not isinstance(part, dict):
                return part
            return keras.saving.deserialize_keras_object(part, custom_objects=custom_objects)

        config = dict(config)
        for name in ("cell", "attention", "attention_layer", "attention_fn"):
            config[name] = made(config.get(name))
        config["upper_cells"] = [made(cell) for cell in config.get("upper_cells", ())]
        return super().from_config(config)


def _sizes(shapes: Structure) -> Structure:
    """The features of one value, or a list of those of several."""
    several = isinstance(shapes[0], (list, tuple))
    return [shape[-1] for shape in shapes] if several else shapes[-1]
