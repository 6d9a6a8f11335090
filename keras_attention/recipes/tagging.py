"""Tagging: label the parts of addresses and the names in tweets, and measure the entities."""

from __future__ import annotations

import hashlib
import json
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import layers, ops

from keras_attention._core.files import write_json
from keras_attention._core.types import Config
from keras_attention.datasets import Tagged, load_addresses, load_tweets, split_tagged
from keras_attention.layers import CRF, CRFDecoder, MultiHeadAttention
from keras_attention.losses import CRFLoss
from keras_attention.metrics import entity_scores
from keras_attention.recipes import training_run
from keras_attention.recipes.command import add_switch
from keras_attention.recipes.recipe import Artifact, Measured, Recipe, Variant
from keras_attention.recipes.tagging_baseline import crfsuite_tags, require_baseline
from keras_attention.recipes.tagging_data import LONGEST, Encoding, tagging_batches
from keras_attention.recipes.training_run import Objective, Trained

# Tagged sequences by name of the data set: "addresses" and "tweets".
Data: TypeAlias = Mapping[str, Sequence[Tagged]]

WHOLE = "crf_attention"
KINDS = {
    WHOLE: {"crf": True, "attention": True},
    "crf": {"crf": True, "attention": False},
    "attention": {"crf": False, "attention": True},
    "neither": {"crf": False, "attention": False},
}
BASELINE = "sklearn_crfsuite"


class Settings(NamedTuple):
    """How a tagger is built and trained; the defaults are those of `make tagging`.

    Attributes:
        data: `"addresses"` or `"tweets"`.
        fold: which fifth of the examples is for testing, see `split_tagged`.
        crf: whether the tags are scored together by a `CRF`, or each by itself.
        attention: whether there is self-attention over the states of the LSTM.
        units: of the LSTM, in each direction.
        embedding_dim: features of a word's embedding.
        letter_dim, filters: features of a letter's embedding, and of the
            convolution over the letters of a word.
        num_heads: of the attention.
        dropout: of the inputs of the LSTM and of its states.
        word_dropout: how often rare words are read as unknown, see
            `tagging_batches`.
        batch_size, epochs, learning_rate: of the training.
        minutes: how long each model may train; always fully annealed.
        seed: of the weights and of the order of the data.

    Example:

    >>> from keras_attention.recipes.tagging import Settings
    >>> Settings(units=32)._replace(data="tweets").units
    32
    """

    data: Literal["addresses", "tweets"] = "addresses"
    fold: int = 0
    crf: bool = True
    attention: bool = True
    units: int = 64
    embedding_dim: int = 64
    letter_dim: int = 24
    filters: int = 64
    num_heads: int = 4
    dropout: float = 0.4
    word_dropout: float = 0.5
    batch_size: int = 32
    epochs: int = 25
    learning_rate: float = 4e-3
    minutes: float = 20.0
    seed: int = 0


def build(encoding: Encoding, settings: Settings) -> keras.Model:
    """An untrained tagger: words and letters, a bidirectional LSTM, self-attention, a CRF.

    Source: Ma and Hovy, "End-to-end Sequence Labeling via Bi-directional
    LSTM-CNNs-CRF", 2016, with self-attention over the states.

    Args:
        encoding: the vocabularies.
        settings: `Settings`.

    Returns:
        A model from `words` `(B, T)` and `letters` `(B, T, LONGEST)` to the
        log-potentials `(B, T, N, N)` of a `CRF`; without one to logits `(B, T, N)`.
    """
    words = keras.Input((None,), dtype="int32", name="words")
    letters = keras.Input((None, LONGEST), dtype="int32", name="letters")

    embedded = layers.Embedding(len(encoding.words), settings.embedding_dim)(words)
    spelled = layers.Embedding(len(encoding.letters), settings.letter_dim)(letters)
    spelled = layers.Conv2D(settings.filters, (1, 3), padding="same", activation="relu")(spelled)
    spelled = ops.max(spelled, axis=2)

    # Concatenate would take all positions as real, since the letters have no mask.
    real = ops.cast(ops.expand_dims(ops.not_equal(words, 0), -1), "float32")
    states = layers.Masking()(layers.Concatenate()([embedded, spelled]) * real)
    states = layers.Dropout(settings.dropout)(states)
    states = layers.Bidirectional(layers.LSTM(settings.units, return_sequences=True))(states)
    if settings.attention:
        size = 2 * settings.units // settings.num_heads
        attended = MultiHeadAttention(settings.num_heads, size, name="attention")(states, states)
        states = layers.LayerNormalization()(layers.Add()([states, attended]))
    states = layers.Dropout(settings.dropout)(states)

    outputs = layers.Dense(len(encoding.tags), name="emissions")(states)
    if settings.crf:
        outputs = CRF(len(encoding.tags), name="crf")(outputs)
    return keras.Model({"words": words, "letters": letters}, outputs, name="tagger")


def served(model: keras.Model) -> keras.Model:
    """The model with its decoding: from the same inputs to ids of tags `(B, T)`.

    It shares all layers with `model`.
    """
    if isinstance(model.layers[-1], CRF):
        tags = CRFDecoder(name="tags")(model.output)
    else:
        tags = ops.argmax(model.output, axis=-1)
    return keras.Model(model.input, {"tags": tags}, name="tagger")


def predict(
    model: keras.Model, encoding: Encoding, sequences: Sequence[Sequence[str]]
) -> list[tuple[str, ...]]:
    """The tags of sequences of tokens.

    Args:
        model: as `build` returns it.
        encoding: with which it was built.
        sequences: tokens.

    Returns:
        A tag for each token.
    """
    tagger, length = served(model), max(map(len, sequences))
    found: list[tuple[str, ...]] = []
    for start in range(0, len(sequences), 256):
        some = sequences[start : start + 256]
        ids = tagger.predict_on_batch(encoding.inputs(some, length))["tags"]
        for tokens, row in zip(some, np.asarray(ids)):
            found.append(tuple(encoding.tags[i] for i in row[: len(tokens)]))
    return found


def evaluate(
    data: str, found: Sequence[Sequence[str]], examples: Sequence[Tagged]
) -> dict[str, float]:
    """F1 of entities and the share of right tags, in percent.

    The labels of addresses have no beginnings: neighbours with the same one are
    an entity, as with `I-` before each.

    Args:
        data: `"addresses"` or `"tweets"`.
        found: the tags of a model.
        examples: the right ones.

    Returns:
        A dictionary with `"f1"` and `"accuracy"`.
    """
    right = [one.tags for one in examples]
    tokens = sum(map(len, right))
    equal = sum(a == b for tags, wanted in zip(found, right) for a, b in zip(tags, wanted))
    if data == "addresses":
        found, right = ([tuple(f"I-{t}" for t in tags) for tags in side] for side in (found, right))
    scores = entity_scores(found, right)
    return {"f1": round(100 * scores.f1, 2), "accuracy": round(100 * equal / tokens, 2)}


@dataclass(frozen=True)
class Tagging(Recipe[Data]):
    """Trains taggers with and without CRF and attention, and measures them by cross-validation.

    The models without are trained on the first splits alone. Addresses
    (usaddress) and tweets, each against `sklearn-crfsuite` on the
    same splits, of addresses with the features of usaddress itself. Interrupted,
    the same command goes on where it was.

    Example:

    >>> from keras_attention.recipes.tagging import Tagging
    >>> list(Tagging(folds=1, tweet_folds=0).variants())
    ['addresses/0/crf_attention', 'addresses/0/crf', 'addresses/0/attention', 'addresses/0/neither']
    """

    folds: int = 5
    tweet_folds: int = 2
    ablation_folds: int = 2
    baseline: bool = True

    settings: ClassVar[type[Settings]] = Settings
    artifacts: ClassVar[Mapping[str, Artifact]] = {
        "saved_model": Artifact("saved_model", kind="call"),
        "onnx": Artifact("onnx", "onnx", kind="call"),
        "litert": Artifact("litert", "litert", kind="call"),
    }

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--folds", type=int, default=5, help="splits of addresses (5)")
        parser.add_argument("--tweet-folds", type=int, default=2, help="splits of tweets (2)")
        what = "splits on which models without CRF and without attention are trained too (2)"
        parser.add_argument("--ablation-folds", type=int, default=2, help=what)
        add_switch(parser, "baseline", "train sklearn-crfsuite too, of the extra tagging")

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        chosen = [
            (data, fold, kind)
            for kind in KINDS
            for data, folds in (("addresses", self.folds), ("tweets", self.tweet_folds))
            for fold in range(folds)
            if kind == WHOLE or fold < self.ablation_folds
        ]
        return {
            f"{data}/{fold}/{kind}": Variant(
                f"{data}/{fold}/{kind}", {"data": data, "fold": fold, **KINDS[kind]}
            )
            for data, fold, kind in chosen
        }

    def load(self, folder: Path, settings: Settings) -> Data:
        if self.baseline:
            # Before the trainings, not after.
            require_baseline()
        return {"addresses": load_addresses(), "tweets": load_tweets()}

    def digest(self, data: Data) -> str:
        return hashlib.sha256(repr(data).encode()).hexdigest()

    def objective(self, settings: Settings) -> Objective:
        if settings.crf:
            return Objective(CRFLoss())
        # The mask of the words arrives with the logits.
        return Objective(keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def build(self, data: Data, settings: Settings) -> keras.Model:
        encoding, _ = _prepared(data, settings)
        return build(encoding, settings)

    def batches(self, model: keras.Model, data: Data, settings: Settings) -> tuple[Any, Any]:
        encoding, parts = _prepared(data, settings)

        def epoch() -> int:
            return training_run.epochs_done(model, train)

        train = tagging_batches(
            encoding,
            parts["train"],
            settings.batch_size,
            settings.seed,
            settings.word_dropout,
            epoch=epoch,
        )
        return train, tagging_batches(encoding, parts["dev"], settings.batch_size, shuffle=False)

    def served(self, model: keras.Model) -> keras.Model:
        return served(model)

    def measure(
        self, trained: Mapping[str, Trained], data: Data, settings: Settings, folder: Path
    ) -> Measured:
        report: Config = {}
        for name, (model, seconds, _) in trained.items():
            chosen = settings._replace(**self.variants(settings)[name].changes)
            encoding, parts = _prepared(data, chosen)
            found = predict(model, encoding, [one.tokens for one in parts["test"]])
            figures = evaluate(chosen.data, found, parts["test"])
            kind = name.rpartition("/")[2]
            row = report.setdefault(chosen.data, {}).setdefault(kind, _empty_row())
            row["parameters"] = model.count_params()
            _add(row, figures, seconds)
            if kind == WHOLE:
                write_json(folder / Path(name) / "vocabulary.json", encoding.get_config())
                if self.baseline:
                    row = report[chosen.data].setdefault(BASELINE, _empty_row())
                    _add(row, *_baseline(folder / Path(name).parent, chosen.data, parts))
        return Measured(
            {data: {k: _mean(row) for k, row in r.items()} for data, r in report.items()}
        )

    def summary(self, report: Config, folder: Path) -> str:
        lines = []
        for data in ("addresses", "tweets"):
            for kind, row in report.get(data, {}).items():
                lines.append(f"{data:10} {kind:18} F1 {row['f1']:6.2f}  ({row['f1_of_folds']})")
        return "\n".join([*lines, f"\nEverything is in {folder}."])


def _prepared(data: Data, settings: Settings) -> tuple[Encoding, dict[str, list[Tagged]]]:
    """The split of a fold, and what a model of it reads."""
    parts = split_tagged(data[settings.data], settings.fold)
    return Encoding.of(parts["train"]), parts


def _baseline(
    folder: Path, data: str, parts: Mapping[str, Sequence[Tagged]]
) -> tuple[dict[str, float], float]:
    """The figures of sklearn-crfsuite on a split, and the seconds; computed once."""
    file = folder / f"{BASELINE}.json"
    if not file.exists():
        begin = time.monotonic()
        found = crfsuite_tags(data, parts["train"], parts["test"])
        seconds = round(time.monotonic() - begin, 1)
        write_json(file, {**evaluate(data, found, parts["test"]), "seconds": seconds})
    figures = json.loads(file.read_text("utf-8"))
    return figures, figures.pop("seconds")


def _empty_row() -> Config:
    return {"f1_of_folds": [], "accuracy_of_folds": [], "train_seconds": []}


def _add(row: Config, figures: Mapping[str, float], seconds: float) -> None:
    row["f1_of_folds"].append(figures["f1"])
    row["accuracy_of_folds"].append(figures["accuracy"])
    row["train_seconds"].append(round(seconds, 1))


def _mean(row: Config) -> Config:
    means = {name: round(float(np.mean(row[f"{name}_of_folds"])), 2) for name in ("f1", "accuracy")}
    return {**means, **row}
