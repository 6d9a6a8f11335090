"""The loops under every recurrence and search."""

import contextlib
import contextvars

import keras
from keras import ops, tree


def scan(step, carry, xs, dtypes, at_once=10):
    """Runs `step` along the first axis of `xs` and stacks what it returns.

    `keras.ops.scan` asks on TensorFlow that outputs look like the carry, and
    does not convert to ONNX; a recurrence with attention needs neither limit.

    Args:
        step: `step(carry, x) -> (carry, y)`; `x` holds one slice of every
            tensor of `xs`, `y` is a tuple of tensors.
        carry: a structure of tensors; `step` returns one like it. None in it,
            and in `xs`, stays None.
        xs: a structure of tensors, time first, none of them of length zero.
        dtypes: a tuple with the dtype of each tensor of `y`.
        at_once: how many steps TensorFlow may run side by side, as far as none
            waits for the carry of another; all of them hold their memory.

    Returns:
        The last carry, and a tuple of stacked `y`, time first.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            return _graph_scan(tf, step, carry, xs, dtypes, at_once)
    if keras.backend.backend() == "jax":
        import jax

        # To compile a loop for one eager call takes longer than to run it.
        if any(isinstance(x, jax.core.Tracer) for x in _tensors((carry, xs))):
            return _traced_scan(jax, step, carry, xs, dtypes)
    return _eager_scan(step, carry, xs, dtypes)


def _eager_scan(step, carry, xs, dtypes):
    outputs = [[] for _ in dtypes]
    sequences = _tensors(xs)
    for t in range(sequences[0].shape[0]):
        carry, y = step(carry, _pack_tensors(xs, [x[t] for x in sequences]))
        for output, value, dtype in zip(outputs, y, dtypes):
            output.append(ops.cast(value, dtype))
    return carry, tuple(ops.stack(output) for output in outputs)


def _graph_scan(tf, step, carry, xs, dtypes, at_once):
    sequences = _tensors(xs)
    length = sequences[0].shape[0]
    if length is None:
        length = tf.shape(sequences[0])[0]
    inputs = [tf.TensorArray(x.dtype, length).unstack(x) for x in sequences]
    outputs = [tf.TensorArray(dtype, length) for dtype in dtypes]

    def body(t, flat, outputs):
        x = []
        for array, whole in zip(inputs, sequences):
            value = array.read(t)
            value.set_shape(whole.shape[1:])
            x.append(value)
        new, y = step(_pack_tensors(carry, flat), _pack_tensors(xs, x))
        kept = []
        for before, after in zip(flat, _tensors(new)):
            after = tf.cast(after, before.dtype)
            # A user's cell may forget a size that the first state still knew.
            after.set_shape(before.shape)
            kept.append(after)
        written = [
            array.write(t, tf.cast(value, dtype)) for array, value, dtype in zip(outputs, y, dtypes)
        ]
        return t + 1, kept, written

    start = [tf.convert_to_tensor(tensor) for tensor in _tensors(carry)]
    _, last, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (tf.constant(0), start, outputs),
        maximum_iterations=length,
        parallel_iterations=at_once,
    )
    return _pack_tensors(carry, last), tuple(array.stack() for array in outputs)


def _traced_scan(jax, step, carry, xs, dtypes):
    start = [ops.convert_to_tensor(tensor) for tensor in _tensors(carry)]
    sequences = [ops.convert_to_tensor(tensor) for tensor in _tensors(xs)]

    def body(flat, x):
        new, y = step(_pack_tensors(carry, flat), _pack_tensors(xs, x))
        kept = [ops.cast(after, before.dtype) for after, before in zip(_tensors(new), flat)]
        return kept, [ops.cast(value, dtype) for value, dtype in zip(y, dtypes)]

    # What the step assigns, such as the seed of a dropout in a user's cell, is part of
    # the carry: a variable would keep a value that means nothing outside the loop.
    with _Assignments() as found:
        slices = [jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for x in sequences]
        jax.eval_shape(body, start, slices)
    variables = found.variables

    def body_with_variables(flat_and_values, x):
        flat, values = flat_and_values
        with _Assignments(zip(variables, values)) as assigned:
            flat, y = body(flat, x)
        return (flat, [assigned.get_current_value(variable) for variable in variables]), y

    values = [ops.cast(variable.value, variable.dtype) for variable in variables]
    (last, values), outputs = jax.lax.scan(body_with_variables, (start, values), sequences)
    for variable, value in zip(variables, values):
        variable.assign(value)
    return _pack_tensors(carry, last), tuple(outputs)


class _Assignments(keras.StatelessScope):
    """Keeps assignments from the variables; what the scope around it holds stays seen."""

    def __init__(self, state_mapping=()):
        super().__init__(list(state_mapping), initialize_variables=False)
        self.variables = []

    def add_update(self, update):
        variable, _ = update
        if not any(variable is known for known in self.variables):
            self.variables.append(variable)
        super().add_update(update)

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value


def scan_while(unfinished, step, carry, length, shape, dtype="float32"):
    """As `scan`, over no sequence, until `unfinished` says so, `length` steps at the most.

    Args:
        unfinished: `unfinished(t, carry)` says whether step t is to be run.
        step: `step(t, carry) -> (carry, y)`, y a tensor.
        carry: a structure of tensors; `step` returns one like it. None in it
            stays None. On TensorFlow a size may change from step to step, if
            the carry's own shape leaves it open.
        length: a positive integer.
        shape: of every y, for the backends that ask.
        dtype: of y.

    Returns:
        How many steps were run; the last carry; and y, time first: at least as
        many as were run, what follows being arbitrary.
    """
    start = [ops.convert_to_tensor(tensor) for tensor in _tensors(carry)]
    t = ops.convert_to_tensor(0, dtype="int32")

    def both(t, flat):
        new, y = step(t, _pack_tensors(carry, flat))
        kept = [ops.cast(after, before.dtype) for before, after in zip(flat, _tensors(new))]
        return kept, ops.cast(y, dtype)

    def goes_on(t, flat, _):
        return ops.logical_and(t < length, unfinished(t, _pack_tensors(carry, flat)))

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def body(t, flat, written):
            flat, y = both(t, flat)
            return t + 1, flat, written.write(t, y)

        if _without_arrays.get():

            def place(t, flat, written):
                flat, y = both(t, flat)
                now = tf.equal(tf.range(length), t)
                now = tf.reshape(now, (length,) + (1,) * len(shape))
                return t + 1, flat, tf.where(now, tf.expand_dims(y, 0), written)

            written = tf.zeros((length, *shape), dtype)
            t, last, written = tf.while_loop(goes_on, place, (t, start, written))
            return t, _pack_tensors(carry, last), written

        # Without a graph, what was never written could not be stacked if its shape were open.
        known = tuple(map(int, shape)) if tf.executing_eagerly() else (None,) * len(shape)
        written = tf.TensorArray(dtype, length, element_shape=known)
        t, last, written = tf.while_loop(goes_on, body, (t, start, written))
        if tf.executing_eagerly():
            return t, _pack_tensors(carry, last), written.stack()
        # Nothing may have been written, where the first token ended all: the shape is known now.
        stacked = tf.raw_ops.TensorListStack(
            input_handle=written.flow, element_shape=tf.stack(shape), element_dtype=dtype
        )
        stacked.set_shape((length, *known))
        return t, _pack_tensors(carry, last), stacked

    def body(t, flat, written):
        flat, y = both(t, flat)
        at = (t,) + (0,) * len(shape)
        return t + 1, flat, ops.slice_update(written, at, ops.expand_dims(y, 0))

    written = ops.zeros((length, *shape), dtype=dtype)
    t, last, written = ops.while_loop(goes_on, body, (t, start, written))
    return t, _pack_tensors(carry, last), written


_without_arrays = contextvars.ContextVar("without_arrays", default=False)


@contextlib.contextmanager
def without_arrays():
    """Inside, `scan_while` writes on TensorFlow into a tensor: LiteRT has no arrays of tensors."""
    token = _without_arrays.set(True)
    try:
        yield
    finally:
        _without_arrays.reset(token)


def open_sizes(x, shape):
    """`x`, of which a graph is to know no more than `shape`, where None is any size.

    TensorFlow lets a tensor grow in a loop only where its size is not known.
    """
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=shape)


def _tensors(structure):
    # A memory without a mask holds None, a sequence without a mask too; no loop carries it.
    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


def _pack_tensors(structure, tensors):
    tensors = iter(tensors)
    flat = [None if leaf is None else next(tensors) for leaf in tree.flatten(structure)]
    return tree.pack_sequence_as(structure, flat)
