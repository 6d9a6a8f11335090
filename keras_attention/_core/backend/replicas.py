"""Means over the replicas of a distribution strategy."""

import keras
from keras import ops


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
