"""Means over the replicas of a `tf.distribute` strategy."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention._core.types import Tensor


def averaged_over_replicas() -> bool:
    """Whether ids may be floats in this call, without a mistake of the caller.

    With several replicas, `fit` first builds a model on the mean of their
    batches. That is the only call that it makes outside of a replica.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.in_cross_replica_context())


def mean_over_replicas(total: Tensor, weight: Tensor) -> Tensor:
    """This replica's share of `sum(total) / sum(weight)`, the sums being over all replicas.

    `fit` sums the losses and gradients of the replicas, which gives the mean
    over the whole batch. The gradient of the share is that of
    `total / sum(weight)`. Its value is the mean divided by the number of
    replicas, the same on all: `evaluate` and the logs of `fit` average over
    examples, which would be wrong where replicas have unequal shares.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            sums = ops.stop_gradient(ops.stack([total, weight]))
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
            share = ops.divide_no_nan(total, sums[1])
            mean = ops.divide_no_nan(sums[0], sums[1])
            return share + ops.stop_gradient(mean / context.num_replicas_in_sync - share)
    return ops.divide_no_nan(total, weight)


def share_of_replica(loss: Tensor) -> Tensor:
    """A loss divided by the number of replicas, over which `fit` sums, as Keras' own losses do."""
    if keras.backend.backend() != "tensorflow":
        return loss
    import tensorflow as tf

    return loss / tf.distribute.get_strategy().num_replicas_in_sync
