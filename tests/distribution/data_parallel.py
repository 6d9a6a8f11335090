"""Trains the spelling model with PROCESSES processes and saves the weights of the first.

python -m tests.distribution.data_parallel weights.npz PROCESSES INDEX PORT
"""

import sys

import keras

from tests.distribution import spelling


def main(path, processes, index, port):
    part = slice(None)
    if processes > 1:
        # Before anything is computed: it makes one world of all devices of all processes.
        keras.distribution.initialize(f"127.0.0.1:{port}", processes, index)
        data_parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(data_parallel)
        size = spelling.BATCH // processes
        part = slice(index * size, (index + 1) * size)
    model = spelling.model(global_clipnorm=1.0)
    losses = spelling.train(model, spelling.batches(model, part))
    if index == 0:
        spelling.save(path, model, losses=losses)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
