"""Compares training in half precision, compiled and eagerly with training in float32.

    python benchmarks/precision.py

Trains the model of the recipe, small, on the words of cmudict: in float32 with
several seeds, which shows how far apart two trainings are that differ in
nothing but chance, then in each other way with the same seeds. Writes
benchmarks/results/precision.json; fails where the mean loss of a way differs
from that of float32 by more than chance explains.
"""

import json
import os
import statistics
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from keras_attention.datasets import load_cmudict, teacher_forcing_batches
from keras_attention.losses import SequenceCrossentropy
from keras_attention.recipes import g2p

RESULTS = Path(__file__).parent / "results" / "precision.json"
SETTINGS = g2p.Settings(units=64, embedding_dim=32, dropout=0.1)
STEPS, LAST, BATCH, SEEDS = 300, 50, 64, (0, 1, 2)
WAYS = {
    "float32": {},
    "mixed_float16": {"policy": "mixed_float16"},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "jit_compile": {"jit_compile": True},
    "run_eagerly": {"run_eagerly": True},
}


def train(entries, seed, policy="float32", steps=STEPS, last=LAST, settings=SETTINGS, **options):
    """Trains for `steps` steps; the mean loss of the `last` ones, in nats per token."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy)
    try:
        model = g2p.build(entries, settings)
    finally:
        keras.config.set_dtype_policy("float32")
    pairs = [(entry.word, " ".join(said)) for entry in entries for said in entry.pronunciations]
    sources = [model.source_vocabulary.encode(word) for word, _ in pairs]
    targets = [model.target_vocabulary.encode(said) for _, said in pairs]
    # One bucket, since XLA compiles for every length.
    batches = teacher_forcing_batches(sources, targets, BATCH, boundaries=(), seed=seed).repeat()
    optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
    model.compile(optimizer, SequenceCrossentropy(), **{"jit_compile": False, **options})
    model.fit(batches.take(steps - last), steps_per_epoch=steps - last, shuffle=False, verbose=0)
    history = model.fit(batches.take(last), steps_per_epoch=last, shuffle=False, verbose=0)
    return history.history["loss"][0]


def main():
    # At most 7 letters, so that batches have one or two widths and are compiled once or twice.
    entries = [entry for entry in load_cmudict()["train"] if 4 <= len(entry.word) <= 7]
    losses = {}
    for way, options in WAYS.items():
        losses[way] = [round(train(entries, seed, **options), 4) for seed in SEEDS]
        print(f"{way:15} {losses[way]}", flush=True)
    expected = statistics.mean(losses["float32"])
    # The spread of one training, over the root of their number, for both means.
    noise = statistics.stdev(losses["float32"]) * (2 / len(SEEDS)) ** 0.5
    allowed = max(3 * noise, 0.02 * expected)
    differences = {way: statistics.mean(found) - expected for way, found in losses.items()}
    report = {
        "command": "python benchmarks/precision.py",
        "model": SETTINGS._asdict(),
        "steps": STEPS,
        "batch": BATCH,
        f"mean_loss_of_the_last_{LAST}_steps": losses,
        "difference_of_means_from_float32": {way: round(d, 4) for way, d in differences.items()},
        "allowed_difference": round(allowed, 4),
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(RESULTS.read_text("utf-8"))
    return all(abs(difference) <= allowed for difference in differences.values())


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
