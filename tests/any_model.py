"""Trains models as people write them, decodes them with no glue, and exports them.

    python -m tests.any_model build/any-model [--models NAME ...] [--formats FORMAT ...]

Each is trained until what it writes depends on what it reads. The table says how it is decoded,
how far its steps are from its forward pass, whether every artifact writes the same ids, and how
long a step takes; `report.json` in the folder holds the same.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_attention import BahdanauAttention, LuongAttention
from keras_attention.datasets import load_cmudict, load_digits, pad
from keras_attention.export import export_model
from keras_attention.generation import BeamSearch, Greedy, as_decoder, score
from keras_attention.generation.any_model.decoder_of import verdict_of
from keras_attention.generation.any_model.graph import is_functional
from keras_attention.generation.any_model.stepwise import StepwiseDecoder
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder, Seq2Seq
from keras_attention.text import END, START, Vocabulary
from tests.support.any_models import MODELS, Size, fit_normalization

NAMES = [
    "README, translator",
    "notebook 01",
    "notebook 02, Bahdanau",
    "notebook 02, Luong",
    "LSTM, then Luong",
    "GRU and Bahdanau",
    "two layers, residual",
    "Transformer",
    "captioner over a backbone",
    "Keras only",
    "nested",
    "multi-output",
    "KerasHub, subclassed",
]
FORMATS = ("saved_model", "onnx", "litert")
UNITS, BATCH, LONGEST = 48, 64, 7
# The share of next tokens that the right source, rather than another one, must explain.
LEAST_GAIN = 0.1
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Task:
    """Examples to train on and to try: sources by order, targets and labels, and vocabularies."""

    def __init__(self, sources, target_ids, size):
        self.size = size
        self.sources = sources
        self.targets = pad([[START, *ids] for ids in target_ids])
        self.labels = pad([[*ids, END] for ids in target_ids])

    def batch(self, rows):
        return self.sources[rows], self.targets[rows], self.labels[rows]


def spelling(count=6000):
    """Short English words and their phonemes."""
    entries = [
        e
        for e in load_cmudict()["train"]
        if e.word.isalpha() and 3 <= len(e.word) <= LONGEST and len(e.pronunciations[0]) < LONGEST
    ]
    rng = np.random.default_rng(0)
    entries = [entries[i] for i in rng.permutation(len(entries))[:count]]
    letters = Vocabulary("abcdefghijklmnopqrstuvwxyz")
    names = sorted({p for e in entries for p in e.pronunciations[0]})
    phonemes = Vocabulary(names, separator=" ")
    words = pad([letters.encode(e.word) for e in entries])
    sounds = [phonemes.encode(" ".join(e.pronunciations[0])) for e in entries]
    return Task(words, sounds, Size(len(letters), len(phonemes), UNITS))


def digits():
    """Pictures of handwritten digits, their names, and whether they are even."""
    words = Vocabulary([*DIGITS, "even", "odd"], separator=" ")
    data = load_digits()["train"]
    pictures = np.repeat(np.repeat(data.images, 4, 1), 4, 2) / max(1, data.images.max())
    pictures = np.repeat(pictures[..., None], 3, -1).astype("float32")
    captions = [words.encode(f"{DIGITS[i]} {('even', 'odd')[i % 2]}") for i in data.labels]
    return Task(pictures, captions, Size(1, len(words), UNITS))


class Trained(keras.Model):
    """The logits alone, to be trained; it shares the layers of the model."""

    def __init__(self, model, ports):
        super().__init__()
        self.model, self.ports = model, ports

    def call(self, inputs, training=None):
        given = {self.ports.sources[0]: inputs[0], self.ports.target: inputs[1]}
        if is_functional(self.model) and isinstance(self.model.input, list):
            given = [given[x.name] for x in self.model.inputs]
        found = keras.tree.flatten(self.model(given, training=training))[self.ports.logits]
        return ops.log(ops.maximum(found, 1e-9)) if self.ports.probabilities else found


def gain(trained, task, rows):
    """How many more of the next tokens are right with the right source than with another."""
    sources, targets, labels = task.batch(rows)
    real = labels != 0
    right = []
    for given in (sources, np.roll(sources, 1, axis=0)):
        found = trained([given, targets], training=False)
        right.append((np.argmax(found, axis=-1) == labels)[real].mean())
    return float(right[0] - right[1]), float(right[0])


def train(model, ports, task, seconds):
    """Trains until the gain is enough, in any case for a while."""
    trained = Trained(model, ports)
    trained.compile(
        keras.optimizers.Adam(4e-3, global_clipnorm=1.0), SequenceCrossentropy(), jit_compile=False
    )
    begin, rng, rounds = time.monotonic(), np.random.default_rng(1), 0
    held, count = np.arange(64), len(task.targets)
    while True:
        rows = 64 + rng.permutation(count - 64)[: BATCH * 60]
        sources, targets, labels = task.batch(rows)
        trained.fit([sources, targets], labels, batch_size=BATCH, verbose=0)
        rounds += 1
        found, right = gain(trained, task, held)
        if (found > 2 * LEAST_GAIN and rounds > 2) or time.monotonic() - begin > seconds:
            return {"gain": round(found, 3), "accuracy": round(right, 3)}


def difference(decoder, model, ports, sources, targets, labels):
    """The largest difference of log-probabilities of steps from those of the forward pass."""
    logits = Trained(model, ports)([sources, targets], training=False)
    logp = np.asarray(ops.log_softmax(ops.cast(logits, "float32")))
    expected = np.take_along_axis(logp, labels[..., None], axis=2)[..., 0]
    found = np.asarray(score(decoder, sources, labels).token_scores)
    return float(np.abs(np.where(labels != 0, found - expected, 0)).max())


def step_ms(*decoders_and_sources, steps=(8, 40), repeats=60):
    """Milliseconds a step of 16 examples, compiled, in each turn `(repeats, decoders)`."""
    runs = []
    for decoder, sources in decoders_and_sources:
        ids = np.random.default_rng(0).integers(4, 9, (16, steps[1])).astype("int32")

        def run(sources, targets, decoder=decoder):
            return score(decoder, sources, targets).scores

        spec = [tf.TensorSpec((None, *sources.shape[1:]), sources.dtype)]
        graph = tf.function(run, input_signature=[*spec, tf.TensorSpec((None, None), tf.int32)])
        given = tf.constant(sources[:16])
        targets = [tf.constant(ids[:, :n]) for n in steps]
        for n in targets:
            graph(given, n)
        runs.append((graph, given, targets))
    seconds = np.zeros((repeats, len(runs), 2))
    for turn in range(repeats):
        # The first of a turn is another each time.
        for i in np.roll(range(len(runs)), turn):
            graph, given, targets = runs[i]
            for k in range(2):
                begin = time.perf_counter()
                graph(given, targets[k]).numpy()
                seconds[turn, i, k] = time.perf_counter() - begin
    return 1e3 * (seconds[..., 1] - seconds[..., 0]) / (steps[1] - steps[0])


def by_hand(name, size):
    """The `EncoderDecoder` of the same layers, whose steps are written by hand; None if none is."""
    settings = {"embedding_dim": size.units, "units": size.units}
    if name in ("README, translator", "notebook 01"):
        settings |= {"attention": LuongAttention(score="general" if "01" in name else "dot")}
    elif name.startswith("notebook 02"):
        settings |= {"encoder": "gru", "cell": "gru", "input_feeding": False}
        if "Luong" in name:
            settings |= {"attention": LuongAttention(score="general", scale=True)}
        else:
            settings |= {"attention": BahdanauAttention(size.units), "attend": "before"}
    else:
        return None
    return EncoderDecoder(size.source, size.target, **settings)


def artifacts(name, model, size, formats, folder):
    row = MODELS[name]
    found = {}
    for kind in formats:
        begin = time.monotonic()
        try:
            sizes = {"source_vocabulary": size.source, "target_vocabulary": size.target}
            sized = {} if is_functional(model) else sizes
            exported = Seq2Seq(model, target=row.target, **sized)
            report = export_model(
                exported,
                Path(folder, kind),
                format=kind,
                search=BeamSearch(num_beams=3, max_length=8),
                # The features of a backbone without pretrained weights are large.
                tolerance=1e-3 if "backbone" in name else 1e-4,
                verbose=False,
            )
            found[kind] = {
                "ids_equal": bool(report["ids_equal"]),
                "max_abs_difference": report["max_abs_difference"],
                "signatures": list(report.get("signatures") or report.get("graphs") or ()),
            }
        except Exception as error:
            found[kind] = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        found[kind]["seconds"] = round(time.monotonic() - begin, 1)
        say(f"    {kind}: {found[kind].get('ids_equal', found[kind].get('error'))}")
    return found


def measured(name, task, formats, seconds):
    row = MODELS[name]
    keras.utils.set_random_seed(0)
    model = row.build(task.size)
    if "backbone" in name:
        fit_normalization(model, task.sources[:64])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoder = as_decoder(model, target=row.target)
    ports = decoder.ports
    say(f"{name}: training")
    begin = time.monotonic()
    trained = train(model, ports, task, seconds)
    say(f"    {trained} after {time.monotonic() - begin:.0f} s")
    sources, targets, labels = task.batch(np.arange(16))
    result = {
        "mode": "step" if isinstance(decoder, StepwiseDecoder) else "prefix",
        "on_prefix": sorted(verdict_of(model).on_prefix) if is_functional(model) else [],
        "max_abs_difference": difference(decoder, model, ports, sources, targets, labels),
        "trained": trained,
    }
    greedy = Greedy(max_length=8)(decoder, sources)
    result["different_answers"] = len({tuple(x) for x in np.asarray(greedy.sequences[:, 0])})
    hand = by_hand(name, task.size)
    if hand is None:
        result["step_ms"] = float(np.median(step_ms((decoder, sources))))
        result["step_ratio"], result["note"] = None, "no EncoderDecoder has these layers"
    else:
        mine, theirs = step_ms((decoder, sources), (hand, sources)).T
        result["step_ms"] = float(np.median(mine))
        result["step_ratio"] = float(np.median(mine / theirs))
        result["note"] = "relative to the steps of the EncoderDecoder of the same layers"
    with tempfile.TemporaryDirectory() as folder:
        result["artifacts"] = artifacts(name, model, task.size, formats, folder)
    return result


def say(text):
    print(text, flush=True)


def table(models, formats):
    lines = [
        f"{'model':28}{'decoded by':12}{'difference':>12}{'ms a step':>11}{'ratio':>7}  ids equal"
    ]
    for name, one in models.items():
        if one["mode"] is None:
            lines.append(f"{name:28}failed: {one['error'][:60]}")
            continue
        equal = (
            f"{kind} {'yes' if one['artifacts'][kind].get('ids_equal') else 'NO'}"
            for kind in formats
        )
        ratio = "" if one["step_ratio"] is None else f"{one['step_ratio']:.2f}"
        lines.append(
            f"{name:28}{one['mode']:12}{one['max_abs_difference']:12.1e}"
            f"{one['step_ms']:11.3f}{ratio:>7}  {', '.join(equal)}"
        )
    return "\n".join(lines)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=NAMES)
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=FORMATS)
    parser.add_argument("--seconds", type=float, default=60, help="of training a model, at most")
    given = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    given.folder.mkdir(parents=True, exist_ok=True)
    begin, models, tasks = time.monotonic(), {}, {}
    for name in given.models:
        kind = digits if "captioner" in name else spelling
        task = tasks.setdefault(kind, None) or kind()
        tasks[kind] = task
        try:
            models[name] = measured(name, task, given.formats, given.seconds)
        except Exception as error:
            say(f"    failed: {type(error).__name__}: {error}")
            models[name] = {"mode": None, "artifacts": {}, "error": f"{error}"[:500]}
        keras.backend.clear_session(free_memory=False)
    report = {"models": models, "seconds": round(time.monotonic() - begin)}
    path = given.folder / "report.json"
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(report, indent=1), "utf-8")
    waiting.replace(path)
    say("\n" + table(models, given.formats))
    stepped = sum(one["mode"] == "step" for one in models.values())
    say(f"\n{stepped} of {len(models)} by step. All of it took {report['seconds']} s. See {path}")
    wrong = [name for name, one in models.items() if not _holds(name, one)]
    if wrong:
        sys.exit(f"Not as it should be: {', '.join(wrong)}")


def _holds(name, one):
    return (
        one["mode"] == MODELS[name].mode
        and one["max_abs_difference"] < 1e-4
        and one["trained"]["gain"] >= LEAST_GAIN
        and all(artifact.get("ids_equal") for artifact in one["artifacts"].values())
    )


if __name__ == "__main__":
    main(sys.argv[1:])
