"""The spelling model and its global batches, the same in every process."""

import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_attention.datasets import Entry, pad
from keras_attention.losses import SequenceCrossentropy
from keras_attention.recipes import g2p
from keras_attention.text import END, START

# Of very different lengths: the halves of a batch have different numbers of tokens.
WORDS = ["a", "b", "ab", "ba", "c", "abcabcab", "cbacba", "bbbbbb", "cab", "abc", "bca", "cc"]
ENTRIES = [Entry(word, (tuple(word.upper()),)) for word in WORDS]
BATCH, STEPS = 4, 12


def model(**options):
    """A model ready for training; the options are those of Adam."""
    keras.utils.set_random_seed(0)
    settings = g2p.Settings(units=16, embedding_dim=8, dropout=0.0, input_feeding=True)
    model = g2p.build(ENTRIES, settings)
    optimizer = keras.optimizers.Adam(0.01, **options)
    # On JAX nothing else is a graph; on TensorFlow compiling takes longer than training.
    compiled = keras.backend.backend() == "jax"
    model.compile(optimizer, SequenceCrossentropy(), jit_compile=compiled)
    return model


def examples(model):
    """Source ids, target ids and labels of all words, padded to one width, to compile once."""
    source = pad([model.source_vocabulary.encode(entry.word) for entry in ENTRIES])
    said = [model.target_vocabulary.encode(" ".join(*entry.pronunciations)) for entry in ENTRIES]
    return source, pad([[START, *ids] for ids in said]), pad([[*ids, END] for ids in said])


def batches(model, part=slice(None)):
    """The examples `part` of each batch, endlessly."""
    source, target, labels = examples(model)
    while True:
        for first in range(0, len(ENTRIES), BATCH):
            chosen = np.arange(first, first + BATCH)[part]
            yield {"source": source[chosen], "target": target[chosen]}, labels[chosen]


def train(model, data, **options):
    """Trains, and returns the loss of each epoch."""
    options = {
        "steps_per_epoch": STEPS // 2,
        "epochs": 2,
        "verbose": 0,
        "shuffle": False,
        **options,
    }
    return model.fit(data, **options).history["loss"]


def evaluate(model, count=37, batch_size=16):
    """The loss that `evaluate` reports; two replicas cannot share the last batch evenly."""
    chosen = np.arange(count) % len(ENTRIES)
    source, target, labels = (array[chosen] for array in examples(model))
    inputs = {"source": source, "target": target}
    return model.evaluate(inputs, labels, batch_size=batch_size, verbose=0)


def save(path, model, **found):
    weights = {f"{i:02d} {v.path}": np.asarray(v) for i, v in enumerate(model.weights)}
    np.savez(path, **found, **weights)


def assert_same(path, other):
    """The same weights, up to the rounding of sums in another order, and the same losses."""
    with np.load(path) as found, np.load(other) as expected:
        assert found.files == expected.files
        assert expected["losses"][1] < 0.9 * expected["losses"][0], "it learned too little to tell"
        for name in expected.files:
            np.testing.assert_allclose(
                found[name], expected[name], rtol=1e-4, atol=2e-5, err_msg=name
            )


def run_together(commands, seconds=300):
    """Runs modules as parallel processes; if one fails, ends the others and shows its output."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    try:
        for process in running:
            printed, _ = process.communicate(timeout=seconds)
            assert process.returncode == 0, printed[-3000:]
    finally:
        for process in running:
            process.kill()
            process.communicate()
