"""AttentionRNN: a recurrent cell that attends to a memory at every step."""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_attention._core import cells
from keras_attention._core.backend.loops import scan
from keras_attention._core.checks import (
    check_choice,
    check_features,
    check_flag,
    check_positive,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention._core.masks import keep_where_masked, zero_where_masked
from keras_attention._core.memory import unflatten_positions
from keras_attention._core.structure import map_tensors, spec_of, swap_batch_and_time
from keras_attention.layers.multi_source import SeveralAttentions


class AttentionRNNState(NamedTuple):
    """What an `AttentionRNN` carries from step to step, batch first everywhere.

    Attributes:
        cell: the cell's own state.
        attentional: the last attentional vector `(B, D)` with input feeding,
            else `()`.
        attention: the attention's state, see `AttentionState`.
        upper: the states of the cells above, one a cell.

    Example:

    >>> from keras_attention import AttentionRNNState
    >>> AttentionRNNState(cell=[]).attentional
    ()
    """

    cell: Any
    attentional: Any = ()
    attention: Any = ()
    upper: Any = ()


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionRNN(keras.layers.Layer):
    """Runs a recurrent cell that attends to a memory at every step.

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

    The attentional vector a_t is what the layer returns. Without an
    `attention_layer` it is `[output_t; context_t]` itself. With input feeding
    a_{t-1}, zeros at first, joins the cell's input. The state that Bahdanau's
    order asks with is the first state tensor of the cell (an LSTM's h), in a
    stack that of the last cell.

    Where nothing feeds back (`attend="after"`, no input feeding) the cell runs
    over the whole sequence first and all queries attend at once: the same
    numbers, much faster.

    With `upper_cells` attention belongs to the first layer of a stack: each
    cell above reads `[output below; context_t]`, and output_t is that of the
    last. With several attentions context_t is all their contexts, joined.

    Sources: Luong, Pham and Manning, 2015; Bahdanau, Cho and Bengio, 2015;
    attention at the first layer: Wu et al., "Google's Neural Machine
    Translation System", 2016.

    Args:
        cell: any Keras RNN cell: `LSTMCell`, `GRUCell`, `SimpleRNNCell`,
            `StackedRNNCells` or your own; a list of cells is stacked.
        attention: an `Attention`, or a list of several.
        attend: `"after"` or `"before"`.
        input_feeding: whether a_{t-1} joins the cell's input; by default with
            `"after"`, as Luong has it, and not with `"before"`, where the
            context enters the cell anyway.
        attention_layer: a layer for `[output; context]`, or the size of a
            `Dense` without bias or non-linearity (tfa's form; Luong's has a
            tanh, which saturates early on large vocabularies), or None.
        attention_fn: instead of an attention layer, your own
            `attention_fn(output, context)` that gives a_t: a layer, or a
            function (registered with Keras, if it is to be saved).
        upper_cells: cells above the one that attends.
        output_attention: whether a_t is returned; if not, output_t is, and a_t
            only fed.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: the inputs `(B, T, D)`.
        value: what is attended to, `(B, S, Dv)` or `(B, H, W, Dv)`; with
            several attentions a list, or one value for all.
        initial_state: the cell's first state (a tensor, or a list as the cell
            has it; then those of the upper cells), or a whole state that an
            earlier call returned; by default the cells' own.
        sequence_mask: `(B, T)`; a masked step passes its state on unchanged,
            and its output and weights are zero. Keras fills it in.
        value_mask: `(B, S)` or `(B, H, W)`. Keras fills it in.
        return_attention_scores: whether to return the weights.
        return_state: whether to return the last `AttentionRNNState`.
        sampling: a `keras_attention.layers.ScheduledSampling`, which while
            training replaces some inputs by what the model itself puts out.
        training: whether dropout and sampling act.

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
        cell,
        attention,
        attend="after",
        input_feeding=None,
        attention_layer=None,
        attention_fn=None,
        upper_cells=(),
        output_attention=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = keras.layers.StackedRNNCells(cell)
        cells.check_cell("cell", cell)
        for upper in upper_cells:
            cells.check_cell("upper_cells", upper)
        if isinstance(attention, (list, tuple)):
            attention = SeveralAttentions(attention, dtype=self.dtype_policy)
        if not all(hasattr(attention, name) for name in ("memory", "initial_state", "step")):
            raise ValueError(
                "attention: expected a keras_attention.Attention, such as "
                f"BahdanauAttention(units), received {attention!r}."
            )
        check_choice("attend", attend, ("after", "before"))
        check_flag("output_attention", output_attention)
        if isinstance(attention_layer, int):
            check_positive("attention_layer", attention_layer)
            attention_layer = keras.layers.Dense(
                attention_layer, use_bias=False, dtype=self.dtype_policy, name="attention_layer"
            )
        elif attention_layer is not None and not isinstance(attention_layer, keras.layers.Layer):
            raise ValueError(
                "attention_layer: expected a Keras layer, the size of one, or None, received "
                f"{attention_layer!r}."
            )
        if attention_fn is not None and (attention_layer is not None or not callable(attention_fn)):
            raise ValueError(
                "attention_fn: expected a layer or function of (output, context), and no "
                f"attention_layer beside it, received {attention_fn!r}."
            )
        self.cell = cell
        self.attention = attention
        self.attend = attend
        self.input_feeding = attend == "after" if input_feeding is None else bool(input_feeding)
        self.attention_layer = attention_layer
        self.attention_fn = attention_fn
        self.upper_cells = list(upper_cells)
        self.output_attention = output_attention
        self.supports_masking = True

    @property
    def cell_output_size(self):
        """The size of what the last cell puts out."""
        return cells.output_size(self._cells[-1])

    @property
    def _cells(self):
        return [self.cell, *self.upper_cells]

    def output_size(self, value_size):
        """The size of what is returned, over values of `value_size` features (or a list of it)."""
        return self._vector_size(value_size) if self.output_attention else self.cell_output_size

    def _vector_size(self, value_size):
        context = self._context_size(value_size)
        if self.attention_fn is not None:
            output = keras.KerasTensor((None, self.cell_output_size), dtype=self.compute_dtype)
            context = keras.KerasTensor((None, context), dtype=self.compute_dtype)
            return spec_of(self.attention_fn, output, context).shape[-1]
        size = self.cell_output_size + context
        if self.attention_layer is None:
            return size
        return self.attention_layer.compute_output_shape((None, size))[-1]

    def _context_size(self, value_size):
        if isinstance(self.attention, SeveralAttentions):
            if not isinstance(value_size, (list, tuple)):
                value_size = [value_size] * len(self.attention.attentions)
            return self.attention.context_size(value_size)
        if hasattr(self.attention, "context_size"):
            return self.attention.context_size(value_size)
        return value_size

    def build(self, sequence_shape, value_shape):
        several = isinstance(value_shape[0], (list, tuple))
        for shape in value_shape if several else [value_shape]:
            check_features(sequence=sequence_shape, value=shape)
        value_size = [shape[-1] for shape in value_shape] if several else value_shape[-1]
        query_size = cells.output_size(self.cell)
        if self.attend == "before":
            query_size = tree.flatten(cells.query_part(self.cell, self.cell.state_size))[0]
        if not self.attention.built:
            self.attention.build((None, None, query_size), value_shape)
            self.attention.built = True
        if isinstance(self.attention_fn, keras.layers.Layer) and not self.attention_fn.built:
            # Built by what it is called with, since it is not known what its build takes.
            context = ops.zeros((1, self._context_size(value_size)), dtype=self.compute_dtype)
            output = ops.zeros((1, self.cell_output_size), dtype=self.compute_dtype)
            self.attention_fn(output, context)
        context_size = self._context_size(value_size)
        if self.attention_layer is not None and not self.attention_layer.built:
            self.attention_layer.build((None, self.cell_output_size + context_size))
        self._input_size = sequence_shape[-1]
        if self.attend == "before":
            self._input_size += context_size
        if self.input_feeding:
            self._input_size += self._vector_size(value_size)
        cells.build(self.cell, self._input_size)
        for below, cell in zip(self._cells, self.upper_cells):
            cells.build(cell, cells.output_size(below) + context_size)
        self._sequence_size, self._value_size = sequence_shape[-1], value_size
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            for part in (*self._cells, self.attention, self.attention_layer, self.attention_fn):
                if isinstance(part, keras.layers.Layer):
                    part.trainable = False
        self.built = True

    def call(
        self,
        sequence,
        value,
        initial_state=None,
        sequence_mask=None,
        value_mask=None,
        return_attention_scores=False,
        return_state=False,
        sampling=None,
        training=None,
    ):
        initial_state = self._recognized(initial_state)
        self._check(sequence, value, initial_state, sequence_mask, value_mask)
        memory = self.attention.memory(value, mask=value_mask)
        state = self.initial_state(memory, initial_state)
        length = ops.shape(sequence)[1]
        if sequence_mask is not None:
            sequence_mask = ops.cast(sequence_mask, "bool")
            # What stands in the padding must not reach a gradient either.
            sequence = zero_where_masked(sequence_mask, sequence)
        noise = drawn = None
        if hasattr(self.attention, "noise"):
            noise = self.attention.noise(memory, length, training)
        if training and sampling is not None:
            drawn = sampling.draw(ops.shape(sequence)[0], length)
        if training:
            self._prime_dropout(sequence, state)
        if drawn is not None or self._feeds_back():
            outputs, weights, state = self._step_by_step(
                sequence, memory, state, sequence_mask, noise, sampling, drawn, training
            )
        else:
            outputs, weights, state = self._all_at_once(
                sequence, memory, state, sequence_mask, noise, training
            )
        if training:
            self._reset_dropout()

        results = [outputs]
        if return_attention_scores:
            results.append(_as_maps(weights, value))
        if return_state:
            results.append(state)
        return results[0] if len(results) == 1 else tuple(results)

    def step(self, inputs, memory, state, training=None, noise=None, beams=1):
        """One step: the same in training, decoding and every export.

        Args:
            inputs: `(B, D)`.
            memory: from `attention.memory()`; with `beams`, of `B / beams`
                rows.
            state: from `initial_state()`, or the step before.
            training: whether the cell's dropout acts; the cells of Keras draw
                their masks at the first step after `initial_state()`.
            noise: one step of what `attention.noise()` drew.
            beams: how many rows, side by side, share a row of the memory.

        Returns:
            The attentional vector `(B, units)`, or the cell's output, the
            weights `(B, S)` (with several attentions a tuple) and the next
            state.
        """
        output, vector, weights, state = self._step(inputs, memory, state, training, noise, beams)
        return vector if self.output_attention else output, weights, state

    def _step(self, inputs, memory, state, training, noise, beams=1):
        context = weights = None
        parts = [ops.convert_to_tensor(inputs, dtype=self.compute_dtype)]
        attending = state.attention
        if self.attend == "before":
            query = tree.flatten(cells.query_part(self.cell, state.cell))[0]
            context, weights, attending = self._attend(query, memory, attending, noise, beams)
            parts.append(context)
        if self.input_feeding:
            parts.append(state.attentional)
        output, cell_state = cells.step(self.cell, _join(parts), state.cell, training)
        if self.attend == "after":
            context, weights, attending = self._attend(output, memory, attending, noise, beams)
        output, upper = self._climb(output, context, state.upper, training)
        vector = self._attentional_vector(output, context, training)
        fed = vector if self.input_feeding else ()
        return output, vector, weights, AttentionRNNState(cell_state, fed, attending, upper)

    def initial_state(self, memory, state=None):
        """The state before the first step.

        Args:
            memory: from `attention.memory()`.
            state: the cell's first state (and then those of the upper cells),
                or a whole `AttentionRNNState`, which is returned as it is; by
                default the cells' own.

        Returns:
            An `AttentionRNNState`.

        Raises:
            ValueError: where `state` has not as many tensors as the cells.
        """
        # A new sequence draws its own dropout.
        self._reset_dropout()
        attention = self.attention.initial_state(memory)
        if isinstance(state, AttentionRNNState):
            # A functional model that was loaded gives other containers around the same tensors.
            given = tree.flatten(state.attention)
            return state._replace(attention=tree.pack_sequence_as(attention, given))
        batch = ops.shape(tree.flatten(memory)[0])[0]
        states = [cells.zero_state(cell, batch, self.compute_dtype) for cell in self._cells]
        if state is not None:
            dtype = self.compute_dtype
            flat = [ops.convert_to_tensor(s, dtype=dtype) for s in self._cell_tensors(state)]
            states = tree.pack_sequence_as(states, flat)
        attentional = ()
        if self.input_feeding:
            size = self._vector_size(self._value_size)
            attentional = ops.zeros((batch, size), dtype=self.compute_dtype)
        return AttentionRNNState(states[0], attentional, attention, tuple(states[1:]))

    def _feeds_back(self):
        if self.attend == "before" or self.input_feeding:
            return True
        # An attention of one's own may know nothing but steps.
        return getattr(self.attention, "attend", None) is None

    def _step_by_step(self, sequence, memory, state, mask, noise, sampling, drawn, training):
        size = self._vector_size(self._value_size)
        vector = ops.zeros((ops.shape(sequence)[0], size), dtype=self.compute_dtype)
        vector = None if drawn is None else vector

        def one(before, x):
            before, last = before
            inputs, mask, noise, drawn = x
            if drawn is not None:
                inputs = sampling.replace(inputs, last, drawn)
            output, vector, weights, after = self._step(inputs, memory, before, training, noise)
            after = keep_where_masked(mask, after, before)
            returned = vector if self.output_attention else output
            returned = [zero_where_masked(mask, y) for y in (returned, *_as_tuple(weights))]
            return (after, None if last is None else vector), tuple(returned)

        xs = map_tensors(swap_batch_and_time, (sequence, mask, noise, drawn))
        dtypes = (self.compute_dtype,) * (1 + self._weights_count())
        (state, _), returned = scan(one, (state, vector), xs, dtypes)
        outputs, *weights = map(swap_batch_and_time, returned)
        return outputs, self._as_weights(weights), state

    def _all_at_once(self, sequence, memory, state, mask, noise, training):
        outputs, last = self._run(self.cell, sequence, state.cell, mask, training)
        drawn = {} if noise is None else {"noise": noise}
        contexts, weights, attending = self.attention.attend(
            outputs, memory, state.attention, query_mask=mask, **drawn
        )
        upper = []
        for cell, its_state in zip(self.upper_cells, state.upper):
            joined = ops.cast(_join([outputs, contexts]), self.compute_dtype)
            outputs, after = self._run(cell, joined, its_state, mask, training)
            upper.append(after)
        if self.output_attention:
            outputs = self._attentional_vector(outputs, contexts, training)
        weights = [ops.cast(w, self.compute_dtype) for w in _as_tuple(weights)]
        weights = self._as_weights([zero_where_masked(mask, w) for w in weights])
        state = AttentionRNNState(last, (), attending, tuple(upper))
        return zero_where_masked(mask, outputs), weights, state

    def _run(self, cell, sequence, state, mask, training):
        """A cell over a whole sequence."""

        def one(before, x):
            inputs, mask = x
            output, after = cells.step(cell, inputs, before, training)
            return keep_where_masked(mask, after, before), (output,)

        xs = map_tensors(swap_batch_and_time, (sequence, mask))
        last, (outputs,) = scan(one, state, xs, (self.compute_dtype,))
        return swap_batch_and_time(outputs), last

    def _climb(self, output, context, states, training):
        """The cells above the one that attends."""
        after = []
        for cell, state in zip(self.upper_cells, states):
            joined = ops.cast(_join([output, context]), self.compute_dtype)
            output, state = cells.step(cell, joined, state, training)
            after.append(state)
        return output, tuple(after)

    def _prime_dropout(self, sequence, state):
        batch, context_size = ops.shape(sequence)[0], self._context_size(self._value_size)
        size = self._input_size
        for cell, its_state in zip(self._cells, (state.cell, *state.upper)):
            inputs = ops.zeros((batch, size), dtype=self.compute_dtype)
            cells.prime_dropout(cell, inputs, its_state)
            size = cells.output_size(cell) + context_size

    def _reset_dropout(self):
        for cell in self._cells:
            cells.reset_dropout(cell)

    def _attend(self, query, memory, state, noise, beams):
        drawn = {} if noise is None else {"noise": noise}
        if beams == 1:
            context, weights, state = self.attention.step(query, memory, state, **drawn)
        elif tree.flatten(state) or getattr(self.attention, "attend", None) is None:
            # Each beam looks back on weights of its own, one query at a time.
            memory = map_tensors(lambda x: ops.repeat(x, beams, axis=0), memory)
            context, weights, state = self.attention.step(query, memory, state, **drawn)
        else:
            query = ops.reshape(query, (-1, beams, query.shape[-1]))
            context, weights, state = self.attention.attend(query, memory, state, **drawn)
            context, weights = map_tensors(_beams_as_rows, (context, weights))
        return context, map_tensors(lambda w: ops.cast(w, self.compute_dtype), weights), state

    def _weights_count(self):
        several = isinstance(self.attention, SeveralAttentions)
        return len(self.attention.attentions) if several else 1

    def _as_weights(self, weights):
        return tuple(weights) if isinstance(self.attention, SeveralAttentions) else weights[0]

    def _attentional_vector(self, output, context, training):
        # The cell and the attention may compute in other dtypes than this layer.
        output, context = (ops.cast(x, self.compute_dtype) for x in (output, context))
        size = ops.shape(output)[:-1]
        # Always at rank 2: one vector a row, as in a step, is what the layer was built for.
        rows = [ops.reshape(x, (-1, x.shape[-1])) for x in (output, context)]
        if self.attention_fn is not None:
            vectors = _called(self.attention_fn, rows, training)
        elif self.attention_layer is not None:
            vectors = _called(self.attention_layer, [_join(rows)], training)
        else:
            vectors = _join(rows)
        vectors = ops.cast(vectors, self.compute_dtype)
        return ops.reshape(vectors, (*size, vectors.shape[-1]))

    def _check(self, sequence, value, initial_state, sequence_mask, value_mask):
        check_rank("sequence", sequence, (3,), "(batch, length, features)")
        several = isinstance(value, (list, tuple))
        values = list(value) if several else [value]
        masks = value_mask if several and value_mask is not None else [value_mask] * len(values)
        for one in values:
            meaning = "(batch, length, features) or a feature map (batch, height, width, features)"
            check_rank("value", one, (3, 4), meaning)
            rows = (sequence.shape[0], *one.shape[1:])
            check_shape("value", one, rows, "as many rows as sequence has")
        if self.built:
            check_size("sequence", sequence, self._sequence_size)
            sizes = self._value_size if several else [self._value_size]
            for one, size in zip(values, sizes):
                check_size("value", one, size)
        if sequence_mask is not None:
            expected = sequence.shape[:2]
            check_shape("sequence_mask", sequence_mask, expected, "one boolean a step")
        for one, mask in zip(values, masks):
            if mask is not None:
                expected = (one.shape[0], *one.shape[1:-1])
                check_shape("value_mask", mask, expected, "one boolean a position of value")
        if initial_state is None:
            return
        cell_state = initial_state
        if isinstance(initial_state, AttentionRNNState):
            cell_state = (initial_state.cell, initial_state.upper)
            if self.input_feeding:
                sizes = [one.shape[-1] for one in values]
                size = self._vector_size(sizes if several else sizes[0])
                meaning = "the attentional vector of a layer with input feeding"
                given = initial_state.attentional
                given = ops.zeros(()) if tree.is_nested(given) else given
                check_shape("initial_state.attentional", given, (sequence.shape[0], size), meaning)
        for tensor, size in zip(self._cell_tensors(cell_state), self._state_sizes()):
            check_shape("initial_state", tensor, (sequence.shape[0], size), "one row a sequence")

    def _state_sizes(self):
        return tree.flatten([cell.state_size for cell in self._cells])

    def _cell_tensors(self, state):
        count, given = len(self._state_sizes()), tree.flatten(state)
        if len(given) != count:
            names = " and ".join(type(cell).__name__ for cell in self._cells)
            raise ValueError(
                f"initial_state: expected {count} tensors, as {names} has, received {len(given)}."
            )
        return given

    def _recognized(self, state):
        # A functional model that was loaded gives back a named tuple as a plain list.
        if not isinstance(state, (list, tuple)) or isinstance(state, AttentionRNNState):
            return state
        nested = len(state) == len(AttentionRNNState._fields) and tree.is_nested(state[0])
        count = len(tree.flatten(self.cell.state_size))
        if not nested or len(tree.flatten(state[0])) != count:
            return state
        return AttentionRNNState(*(part if len(tree.flatten(part)) else () for part in state))

    def compute_output_spec(
        self,
        sequence,
        value,
        initial_state=None,
        sequence_mask=None,
        value_mask=None,
        return_attention_scores=False,
        return_state=False,
        sampling=None,
        training=None,
    ):
        initial_state = self._recognized(initial_state)
        self._check(sequence, value, initial_state, sequence_mask, value_mask)

        def spec(*shape):
            return keras.KerasTensor(shape, dtype=self.compute_dtype)

        batch, length = sequence.shape[:2]
        several = isinstance(self.attention, SeveralAttentions)
        values = value if isinstance(value, (list, tuple)) else [value] * self._weights_count()
        sizes = [one.shape[-1] for one in values]
        results = [spec(batch, length, self.output_size(sizes if several else sizes[0]))]
        if return_attention_scores:
            weights = [spec(batch, length, *one.shape[1:-1]) for one in values]
            results.append(weights if several else weights[0])
        if return_state:
            states = [cells.zero_state(cell, 1, self.compute_dtype) for cell in self._cells]
            states = map_tensors(lambda s: spec(batch, *s.shape[1:]), states)
            fed = spec(batch, self._vector_size(self._value_size)) if self.input_feeding else ()

            def attending(value, mask=None):
                return self.attention.initial_state(self.attention.memory(value, mask=mask))

            looked = spec_of(attending, value, value_mask)
            results.append(AttentionRNNState(states[0], fed, looked, tuple(states[1:])))
        return results[0] if len(results) == 1 else tuple(results)

    def compute_output_shape(self, sequence_shape, value_shape):
        several = isinstance(value_shape[0], (list, tuple))
        sizes = [shape[-1] for shape in value_shape] if several else value_shape[-1]
        return (*sequence_shape[:2], self.output_size(sizes))

    def compute_mask(self, sequence, previous_mask=None):
        return previous_mask

    def get_config(self):
        def serialized(layer):
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
    def from_config(cls, config, custom_objects=None):
        def made(part):
            if not isinstance(part, dict):
                return part
            return keras.saving.deserialize_keras_object(part, custom_objects=custom_objects)

        config = dict(config)
        for name in ("cell", "attention", "attention_layer", "attention_fn"):
            config[name] = made(config.get(name))
        config["upper_cells"] = [made(cell) for cell in config.get("upper_cells", ())]
        return super().from_config(config)


def _beams_as_rows(x):
    return ops.reshape(x, (-1, *ops.shape(x)[2:]))


def _join(parts):
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def _as_tuple(weights):
    return weights if isinstance(weights, tuple) else (weights,)


def _called(layer, inputs, training):
    knows = getattr(layer, "_call_has_training_arg", False)
    return layer(*inputs, **({"training": training} if knows else {}))


def _as_maps(weights, value):
    if not isinstance(weights, tuple):
        return unflatten_positions(weights, value)
    values = value if isinstance(value, (list, tuple)) else [value] * len(weights)
    return [unflatten_positions(*pair) for pair in zip(weights, values)]
