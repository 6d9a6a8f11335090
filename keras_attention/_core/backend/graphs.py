"""Functions compiled to graphs."""

import keras


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


def is_concrete(x):
    """Whether the values of a tensor or an array are known now, that is outside of a graph."""
    if isinstance(x, keras.KerasTensor):
        return False
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.executing_eagerly()
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    return True
