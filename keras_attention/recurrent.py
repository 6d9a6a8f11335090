"""AttentionRNN: a recurrent cell that attends to a memory at every step."""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_attention.backend import scan
from keras_attention.checks import (
    check_choice,
    check_features,
    check_positive,
    check_rank,
    check_shape,
    check_size,
)
from keras_attention.memory import unflatten_positions


class AttentionRNNState(NamedTuple):
    """What an `AttentionRNN` carries from step to step, batch first everywhere.

    Attributes:
        cell: the cell's own state.
        attentional: the last attentional vector `(B, D)` with input feeding,
            else `()`.
        attention: the attention's state.

    Example:

    >>> from keras_attention import AttentionRNNState
    >>> AttentionRNNState(cell=[], attentional=(), attention=()).attentional
    ()
    """

    cell: Any
    attentional: Any
    attention: Any


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

    Sources: Luong, Pham and Manning, 2015; Bahdanau, Cho and Bengio, 2015.

    Args:
        cell: any Keras RNN cell: `LSTMCell`, `GRUCell`, `SimpleRNNCell`,
            `StackedRNNCells` or your own; a list of cells is stacked.
        attention: an `Attention`.
        attend: `"after"` or `"before"`.
        input_feeding: whether a_{t-1} joins the cell's input; by default with
            `"after"`, as Luong has it, and not with `"before"`, where the
            context enters the cell anyway.
        attention_layer: a layer for `[output; context]`, or the size of a
            `Dense` without bias or non-linearity (tfa's form; Luong's has a
            tanh, which saturates early on large vocabularies), or None.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        sequence: the inputs `(B, T, D)`.
        value: what is attended to, `(B, S, Dv)` or `(B, H, W, Dv)`.
        initial_state: the cell's first state (a tensor, or a list as the cell
            has it), or a whole state that an earlier call returned; by default
            the cell's own.
        sequence_mask: `(B, T)`; a masked step passes its state on unchanged,
            and its output and weights are zero. Keras fills it in.
        value_mask: `(B, S)` or `(B, H, W)`. Keras fills it in.
        return_attention_scores: whether to return the weights.
        return_state: whether to return the last `AttentionRNNState`.
        training: whether dropout acts.

    Returns:
        The attentional vectors `(B, T, units)`; on request, in this order, the
        weights `(B, T, S)` or `(B, T, H, W)`, and the last state.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = keras.layers.StackedRNNCells(cell)
        # An LSTM has a state_size too, but runs over whole sequences.
        steps = callable(cell) and hasattr(cell, "state_size")
        if not steps or isinstance(cell, keras.layers.RNN):
            raise ValueError(
                "cell: expected a Keras RNN cell (something to call for one step, with a "
                f"state_size), such as keras.layers.LSTMCell(units), received {cell!r}."
            )
        if not all(hasattr(attention, name) for name in ("memory", "initial_state", "step")):
            raise ValueError(
                "attention: expected a keras_attention.Attention, such as "
                f"BahdanauAttention(units), received {attention!r}."
            )
        check_choice("attend", attend, ("after", "before"))
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
        self.cell = cell
        self.attention = attention
        self.attend = attend
        self.input_feeding = attend == "after" if input_feeding is None else bool(input_feeding)
        self.attention_layer = attention_layer
        self.supports_masking = True

    @property
    def cell_output_size(self):
        """The size of what the cell puts out."""
        size = getattr(self.cell, "output_size", None)
        return tree.flatten(self.cell.state_size)[0] if size is None else size

    def output_size(self, value_size):
        """The size of the attentional vector over values of `value_size` features."""
        size = self.cell_output_size + value_size
        if self.attention_layer is None:
            return size
        return self.attention_layer.compute_output_shape((None, size))[-1]

    def build(self, sequence_shape, value_shape):
        check_features(sequence=sequence_shape, value=value_shape)
        value_size = value_shape[-1]
        joined = self.cell_output_size + value_size
        if self.attention_layer is not None and not self.attention_layer.built:
            self.attention_layer.build((None, joined))
        input_size = sequence_shape[-1]
        if self.attend == "before":
            input_size += value_size
        if self.input_feeding:
            input_size += self.output_size(value_size)
        self._input_size = input_size
        if isinstance(self.cell, keras.layers.Layer) and not self.cell.built:
            self.cell.build((None, input_size))
            self.cell.built = True
        query_size = self.cell_output_size
        if self.attend == "before":
            query_size = tree.flatten(_query_part(self.cell, self.cell.state_size))[0]
        if not self.attention.built:
            self.attention.build((None, None, query_size), value_shape)
            self.attention.built = True
        self._sequence_size, self._value_size = sequence_shape[-1], value_size
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            for part in (self.cell, self.attention, self.attention_layer):
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
        training=None,
    ):
        initial_state = self._recognized(initial_state)
        self._check(sequence, value, initial_state, sequence_mask, value_mask)
        memory = self.attention.memory(value, mask=value_mask)
        state = self.initial_state(memory, initial_state)
        batch, length = ops.shape(sequence)[:2]
        if sequence_mask is not None:
            sequence_mask = ops.cast(sequence_mask, "bool")
            # What stands in the padding must not reach a gradient either.
            sequence = _zero_where_masked(sequence_mask, sequence)
        xs = [ops.transpose(sequence, (1, 0, 2))]
        if sequence_mask is not None:
            xs.append(ops.transpose(sequence_mask))
        drop = None
        if hasattr(self.attention, "dropout_mask"):
            drop = self.attention.dropout_mask(
                (batch, length, ops.shape(memory.values)[1]), training
            )
        if training:
            prime = ops.zeros((batch, self._input_size), dtype=self.compute_dtype)
            _prime_dropout(self.cell, prime, state.cell)
        if self._feeds_back(state):
            outputs, weights, state = self._step_by_step(xs, memory, state, drop, training)
        else:
            outputs, weights, state = self._all_at_once(
                xs, memory, state, drop, training, sequence_mask
            )
        if training:
            _reset_dropout(self.cell)

        results = [outputs]
        if return_attention_scores:
            results.append(unflatten_positions(weights, value))
        if return_state:
            results.append(state)
        return results[0] if len(results) == 1 else tuple(results)

    def step(self, inputs, memory, state, training=None, dropout_mask=None):
        """One step: the same in training, decoding and every export.

        Args:
            inputs: `(B, D)`.
            memory: from `attention.memory()`.
            state: from `initial_state()`, or the step before.
            training: whether the cell's dropout acts; the cells of Keras draw
                their masks at the first step after `initial_state()`.
            dropout_mask: `(B, S)`, see `Attention.step`.

        Returns:
            The attentional vector `(B, units)`, the weights `(B, S)` and the
            next state.
        """
        context = weights = None
        parts = [ops.convert_to_tensor(inputs, dtype=self.compute_dtype)]
        attending = state.attention
        if self.attend == "before":
            query = tree.flatten(_query_part(self.cell, state.cell))[0]
            context, weights, attending = self._attend(query, memory, attending, dropout_mask)
            parts.append(context)
        if self.input_feeding:
            parts.append(state.attentional)
        output, cell_state = self._cell_step(_join(parts), state.cell, training)
        if self.attend == "after":
            context, weights, attending = self._attend(output, memory, attending, dropout_mask)
        vector = self._attentional_vector(output, context, training)
        fed = vector if self.input_feeding else ()
        return vector, weights, AttentionRNNState(cell_state, fed, attending)

    def initial_state(self, memory, state=None):
        """The state before the first step.

        Args:
            memory: from `attention.memory()`.
            state: the cell's first state, or a whole `AttentionRNNState`, which
                is returned as it is; by default the cell's own.

        Returns:
            An `AttentionRNNState`.

        Raises:
            ValueError: where `state` has not as many tensors as the cell.
        """
        # Keras' cells keep their masks until told; a new sequence draws its own.
        _reset_dropout(self.cell)
        if isinstance(state, AttentionRNNState):
            return state
        batch = ops.shape(memory.values)[0]
        zeros = _zero_state(self.cell, batch, self.compute_dtype)
        if state is None:
            state = zeros
        else:
            dtype = self.compute_dtype
            flat = [ops.convert_to_tensor(s, dtype=dtype) for s in self._cell_tensors(state)]
            state = tree.pack_sequence_as(zeros, flat)
        attentional = ()
        if self.input_feeding:
            size = self.output_size(memory.values.shape[-1])
            attentional = ops.zeros((batch, size), dtype=self.compute_dtype)
        return AttentionRNNState(state, attentional, self.attention.initial_state(memory))

    def _feeds_back(self, state):
        if self.attend == "before" or self.input_feeding or tree.flatten(state.attention):
            return True
        # An attention of one's own may know nothing but steps.
        return not hasattr(self.attention, "attend")

    def _step_by_step(self, xs, memory, state, drop, training):
        masked = len(xs) == 2
        if drop is not None:
            xs = [*xs, ops.transpose(drop, (1, 0, 2))]

        def one(before, x):
            mask = x[1] if masked else None
            noise = x[-1] if drop is not None else None
            vector, weights, after = self.step(x[0], memory, before, training, noise)
            after = _keep_where_masked(mask, after, before)
            return after, (_zero_where_masked(mask, vector), _zero_where_masked(mask, weights))

        state, (vectors, weights) = scan(one, state, tuple(xs), (self.compute_dtype,) * 2)
        return _batch_first(vectors), _batch_first(weights), state

    def _all_at_once(self, xs, memory, state, drop, training, sequence_mask):
        masked = len(xs) == 2

        def one(before, x):
            output, after = self._cell_step(x[0], before, training)
            return _keep_where_masked(x[1] if masked else None, after, before), (output,)

        last, (outputs,) = scan(one, state.cell, tuple(xs), (self.compute_dtype,))
        outputs = _batch_first(outputs)
        contexts, weights = self.attention.attend(outputs, memory, drop)
        vectors = self._attentional_vector(outputs, contexts, training)
        vectors = _zero_where_masked(sequence_mask, vectors)
        weights = _zero_where_masked(sequence_mask, ops.cast(weights, self.compute_dtype))
        return vectors, weights, AttentionRNNState(last, (), state.attention)

    def _cell_step(self, inputs, state, training):
        knows = getattr(self.cell, "_call_has_training_arg", False)
        output, after = self.cell(inputs, state, **({"training": training} if knows else {}))
        # Cells differ in how they wrap a single state; ours keeps the first form and dtype.
        after = tree.pack_sequence_as(state, tree.flatten(after))
        return output, tree.map_structure(lambda s, old: ops.cast(s, old.dtype), after, state)

    def _attend(self, query, memory, state, dropout_mask):
        noise = {} if dropout_mask is None else {"dropout_mask": dropout_mask}
        context, weights, state = self.attention.step(query, memory, state, **noise)
        return context, ops.cast(weights, self.compute_dtype), state

    def _attentional_vector(self, output, context, training):
        # The cell and the attention may compute in other dtypes than this layer.
        joined = ops.cast(_join([output, context]), self.compute_dtype)
        if self.attention_layer is None:
            return joined
        # Always at rank 2: one vector a row, as in a step, is what the layer was built for.
        rows = ops.reshape(joined, (-1, joined.shape[-1]))
        knows = getattr(self.attention_layer, "_call_has_training_arg", False)
        vectors = self.attention_layer(rows, **({"training": training} if knows else {}))
        vectors = ops.cast(vectors, self.compute_dtype)
        if len(joined.shape) == 2:
            return vectors
        return ops.reshape(vectors, (*ops.shape(joined)[:-1], vectors.shape[-1]))

    def _check(self, sequence, value, initial_state, sequence_mask, value_mask):
        check_rank("sequence", sequence, (3,), "(batch, length, features)")
        meaning = "(batch, length, features) or a feature map (batch, height, width, features)"
        check_rank("value", value, (3, 4), meaning)
        rows = (sequence.shape[0], *value.shape[1:])
        check_shape("value", value, rows, "as many rows as sequence has")
        if self.built:
            check_size("sequence", sequence, self._sequence_size)
            check_size("value", value, self._value_size)
        if sequence_mask is not None:
            expected = sequence.shape[:2]
            check_shape("sequence_mask", sequence_mask, expected, "one boolean a step")
        if value_mask is not None:
            expected = (value.shape[0], *value.shape[1:-1])
            check_shape("value_mask", value_mask, expected, "one boolean a position of value")
        if initial_state is None:
            return
        cell_state = initial_state
        if isinstance(initial_state, AttentionRNNState):
            cell_state = initial_state.cell
            if self.input_feeding:
                expected = (sequence.shape[0], self.output_size(value.shape[-1]))
                meaning = "the attentional vector of a layer with input feeding"
                given = initial_state.attentional
                given = ops.zeros(()) if tree.is_nested(given) else given
                check_shape("initial_state.attentional", given, expected, meaning)
        sizes = tree.flatten(self.cell.state_size)
        for tensor, size in zip(self._cell_tensors(cell_state), sizes):
            check_shape("initial_state", tensor, (sequence.shape[0], size), "one row a sequence")

    def _cell_tensors(self, state):
        count, given = len(tree.flatten(self.cell.state_size)), tree.flatten(state)
        if len(given) != count:
            raise ValueError(
                f"initial_state: expected {count} tensors, as {type(self.cell).__name__} "
                f"has, received {len(given)}."
            )
        return given

    def _recognized(self, state):
        # A functional model that was loaded gives back a named tuple as a plain list.
        if not isinstance(state, (list, tuple)) or isinstance(state, AttentionRNNState):
            return state
        count = len(tree.flatten(self.cell.state_size))
        nested = len(state) == 3 and tree.is_nested(state[0])
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
        training=None,
    ):
        initial_state = self._recognized(initial_state)
        self._check(sequence, value, initial_state, sequence_mask, value_mask)

        def spec(*shape):
            return keras.KerasTensor(shape, dtype=self.compute_dtype)

        batch, length = sequence.shape[:2]
        size = self.output_size(value.shape[-1])
        results = [spec(batch, length, size)]
        if return_attention_scores:
            results.append(spec(batch, length, *value.shape[1:-1]))
        if return_state:
            structure = _zero_state(self.cell, 1, self.compute_dtype)
            cell = tree.map_structure(lambda s: spec(batch, *s.shape[1:]), structure)
            fed = spec(batch, size) if self.input_feeding else ()
            results.append(AttentionRNNState(cell, fed, ()))
        return results[0] if len(results) == 1 else tuple(results)

    def compute_output_shape(self, sequence_shape, value_shape):
        return (*sequence_shape[:2], self.output_size(value_shape[-1]))

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
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("cell", "attention", "attention_layer"):
            if isinstance(config[name], dict):
                config[name] = keras.saving.deserialize_keras_object(
                    config[name], custom_objects=custom_objects
                )
        return super().from_config(config)


def _join(parts):
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def _batch_first(x):
    return ops.transpose(x, (1, 0, 2))


def _query_part(cell, state):
    """The part of a state (or of its sizes) that Bahdanau's order asks with."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return _query_part(cell.cells[-1], state[-1])
    return state


def _zero_state(cell, batch, dtype):
    if hasattr(cell, "get_initial_state"):
        state = cell.get_initial_state(batch_size=batch)
    else:
        state = tree.map_structure(lambda size: ops.zeros((batch, size)), cell.state_size)
    state = tree.map_structure(lambda s: ops.cast(s, dtype), state)
    return list(state) if tree.is_nested(state) else [state]


def _keep_where_masked(mask, after, before):
    if mask is None:
        return after

    def keep(new, old):
        shape = (-1,) + (1,) * (len(new.shape) - 1)
        return ops.where(ops.reshape(mask, shape), new, old)

    return tree.map_structure(keep, after, before)


def _zero_where_masked(mask, x):
    return x if mask is None else ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))


def _prime_dropout(cell, inputs, state):
    """Draws the masks of cells with dropout outside the loop that uses them."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part, its_state in zip(cell.cells, state):
            _prime_dropout(part, inputs, its_state)
            size = getattr(part, "output_size", None) or tree.flatten(part.state_size)[0]
            inputs = ops.zeros((ops.shape(inputs)[0], size), dtype=inputs.dtype)
    elif hasattr(cell, "get_dropout_mask"):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(tree.flatten(state)[0])


def _reset_dropout(cell):
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part in cell.cells:
            _reset_dropout(part)
    elif hasattr(cell, "reset_dropout_mask"):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
