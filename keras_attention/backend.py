"""The only file that knows which Keras backend runs: the loop under every recurrence."""

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


def gather_rows(x, rows):
    """`x[rows]`: rows of the first axis by non-negative integers of any shape."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # One operation, where that of Keras is six, for negative integers.
        return tf.gather(x, rows)
    return ops.take(x, rows, axis=0)


def gather_within_rows(x, columns):
    """`x` `(B, M, ...)` and integers `(B, N)` to `(B, N, ...)`: each row's own choice."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(x, columns, batch_dims=1)
    return ops.take_along_axis(x, columns.reshape(columns.shape + (1,) * (x.ndim - 2)), axis=1)


def _tensors(structure):
    # A memory without a mask holds None, a sequence without a mask too; no loop carries it.
    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


def _pack_tensors(structure, tensors):
    tensors = iter(tensors)
    flat = [None if leaf is None else next(tensors) for leaf in tree.flatten(structure)]
    return tree.pack_sequence_as(structure, flat)


def vjp(function, args, upstream):
    """The gradient of `function` at `args` in the direction `upstream`: one tensor an argument.

    It is part of the graph or trace that it is called in, and can be
    differentiated again.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(args)
            result = function(*args)
        return tape.gradient(result, args, upstream, tf.UnconnectedGradients.ZERO)
    if backend == "jax":
        import jax

        return jax.vjp(function, *args)[1](upstream)
    import torch

    return torch.func.vjp(function, *args)[1](upstream)


def compiled(function, like=None):
    """`function` as a graph, where the backend has graphs.

    It takes one matrix of int32 ids, or a dictionary of arrays as `like` has
    them, with any number of rows.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    if like is None:
        spec = tf.TensorSpec((None, None), tf.int32)
    else:
        spec = {n: tf.TensorSpec((None, *a.shape[1:]), a.dtype) for n, a in like.items()}
    graph = tf.function(function, input_signature=[spec], autograph=False)
    # Called as it is, since TensorFlow warns where a few functions of one name are traced.
    graph = graph.get_concrete_function()

    def run(inputs):
        return graph(
            tf.nest.map_structure(lambda a, s: tf.convert_to_tensor(a, s.dtype), inputs, spec)
        )

    return run


def gradient(function):
    """What gives the gradient of `function(tensor, *others)`, a scalar, by the tensor.

    It is a graph where the backend has graphs, traced anew for other shapes.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def slope(tensor, *others):
            with tf.GradientTape() as tape:
                tape.watch(tensor)
                result = function(tensor, *others)
            return tape.gradient(result, tensor, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return tf.function(slope, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))

    def backward(tensor, *others):
        tensor = tensor.detach().requires_grad_()
        function(tensor, *others).backward()
        return tensor.grad

    return backward


def averaged_over_replicas():
    """Whether this call may see ids as floats, through no fault of who called.

    With several replicas, `fit` first builds a model on the mean of their
    batches. That is the only call it makes outside a replica.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.in_cross_replica_context()


def mean_over_replicas(total, weight):
    """This replica's share of the mean over all of them: `total` by everyone's `weight`.

    `fit` sums over replicas, so together they have the mean over the whole batch,
    however unevenly its tokens are spread.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            weight = context.all_reduce(tf.distribute.ReduceOp.SUM, weight)
    return ops.divide_no_nan(total, weight)


def share_of_replica(loss):
    """A loss divided by the number of replicas, over which `fit` sums, as Keras' own losses do."""
    if keras.backend.backend() != "tensorflow":
        return loss
    import tensorflow as tf

    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def scatter_add(indices, values, shape):
    """Zeros of `shape` to which `values` are added at `indices`, equal ones summed.

    `keras.ops.scatter` says the same, but on TensorFlow becomes an operation of
    ONNX that keeps one of several values, and on torch is a loop in Python.

    Args:
        indices: `(N, K)` integers, into the first K axes.
        values: `(N, *shape[K:])`.
        shape: of the result.
    """
    zeros = ops.zeros(shape, dtype=values.dtype)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.tensor_scatter_nd_add(zeros, indices, values)
    places = tuple(ops.unstack(indices, axis=1))
    if keras.backend.backend() == "jax":
        return zeros.at[places].add(values)
    return zeros.index_put(tuple(place.long() for place in places), values, accumulate=True)
