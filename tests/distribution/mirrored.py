"""Trains the spelling model on REPLICAS replicas, and saves its weights and losses.

python -m tests.distribution.mirrored weights.npz REPLICAS
"""

import contextlib
import sys

from tests.distribution import spelling


def main(path, replicas):
    import tensorflow as tf

    scope = contextlib.nullcontext()
    if replicas > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * replicas
        tf.config.set_logical_device_configuration(cpu, logical)
        scope = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)]).scope()
    with scope:
        model = spelling.model()
    ids = tf.TensorSpec((None, None), tf.int32)
    dataset = tf.data.Dataset.from_generator(
        lambda: spelling.batches(model),
        output_signature=({"source": ids, "target": ids}, ids),
    )
    losses = spelling.train(model, dataset)
    spelling.save(path, model, losses=losses, evaluated=spelling.evaluate(model))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
