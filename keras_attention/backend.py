"""The only file that knows which Keras backend runs: the loop under every recurrence."""

import keras
from keras import ops, tree


def scan(step, carry, xs, dtypes):
    """Runs `step` along the first axis of `xs` and stacks what it returns.

    `keras.ops.scan` asks on TensorFlow that outputs look like the carry, and
    does not convert to ONNX; a recurrence with attention needs neither limit.

    Args:
        step: `step(carry, x) -> (carry, y)`; `x` holds one slice of every
            tensor of `xs`, `y` is a tuple of tensors.
        carry: a structure of tensors; `step` returns one like it.
        xs: a tuple of tensors, time first, none of them of length zero.
        dtypes: a tuple with the dtype of each tensor of `y`.

    Returns:
        The last carry, and a tuple of stacked `y`, time first.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            return _graph_scan(tf, step, carry, xs, dtypes)
    return _eager_scan(step, carry, xs, dtypes)


def _eager_scan(step, carry, xs, dtypes):
    outputs = [[] for _ in dtypes]
    for t in range(xs[0].shape[0]):
        carry, y = step(carry, tuple(x[t] for x in xs))
        for output, value, dtype in zip(outputs, y, dtypes):
            output.append(ops.cast(value, dtype))
    return carry, tuple(ops.stack(output) for output in outputs)


def _graph_scan(tf, step, carry, xs, dtypes):
    length = xs[0].shape[0]
    if length is None:
        length = tf.shape(xs[0])[0]
    inputs = [tf.TensorArray(x.dtype, length).unstack(x) for x in xs]
    outputs = [tf.TensorArray(dtype, length) for dtype in dtypes]

    def body(t, flat, outputs):
        x = []
        for array, whole in zip(inputs, xs):
            value = array.read(t)
            value.set_shape(whole.shape[1:])
            x.append(value)
        new, y = step(_pack_tensors(carry, flat), tuple(x))
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
    )
    return _pack_tensors(carry, last), tuple(array.stack() for array in outputs)


def _tensors(structure):
    # A memory without a mask holds None, which no loop carries.
    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


def _pack_tensors(structure, tensors):
    tensors = iter(tensors)
    flat = [None if leaf is None else next(tensors) for leaf in tree.flatten(structure)]
    return tree.pack_sequence_as(structure, flat)


def compiled(function):
    """`function` of one matrix of int32 ids as a graph, where the backend has graphs."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    ids = tf.TensorSpec((None, None), tf.int32)
    return tf.function(function, input_signature=[ids], autograph=False)


def averaged_over_replicas():
    """Whether this call may see ids as floats, through no fault of who called.

    With several replicas, `fit` first builds a model on the mean of their
    batches. That is the only call it makes outside a replica.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.in_cross_replica_context()


def share_of_replica(loss):
    """A loss divided by the number of replicas, over which `fit` sums, as Keras' own losses do."""
    if keras.backend.backend() != "tensorflow":
        return loss
    import tensorflow as tf

    return loss / tf.distribute.get_strategy().num_replicas_in_sync
