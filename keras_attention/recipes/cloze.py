"""Cloze questions: a reader finds the name that is left out after a passage, by attention alone."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

import keras
from keras import layers, ops

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Config, Tensor
from keras_attention.datasets import Cloze, load_cloze
from keras_attention.layers import BahdanauAttention
from keras_attention.recipes import training_run
from keras_attention.recipes.cloze_data import (
    BLANK_ID,
    FIRST_MARKER,
    MARKERS,
    VERSE_ID,
    Encoding,
    cloze_batches,
)
from keras_attention.recipes.cloze_pages import draw_examples
from keras_attention.recipes.cloze_quality import Reader, baselines, evaluate
from keras_attention.recipes.recipe import Artifact, Measured, Recipe, Variant
from keras_attention.recipes.seeds import summary_of
from keras_attention.recipes.training_run import Objective, Trained

# Questions by name of the split.
Data: TypeAlias = Mapping[str, Sequence[Cloze]]

# Verses further back than so many count as so far.
_FARTHEST = 20


class Settings(NamedTuple):
    """How a cloze reader is built and trained; the defaults are those of `make questions`.

    Attributes:
        embedding_dim: features of a word's embedding.
        units: features of a state, and of the attention.
        dropout: of the embeddings, and of the states.
        min_count: a word in fewer training questions is unknown.
        batch_size, epochs, learning_rate: of the training.
        minutes: how long each model may train; always fully annealed.
        seed: of the weights, the markers and the order of the data; of the first
            model.

    Example:

    >>> from keras_attention.recipes.cloze import Settings
    >>> Settings(units=32).embedding_dim
    64
    """

    embedding_dim: int = 64
    units: int = 128
    dropout: float = 0.3
    min_count: int = 4
    batch_size: int = 32
    epochs: int = 6
    learning_rate: float = 2e-3
    minutes: float = 12.0
    seed: int = 0


def build(size: int, settings: Settings) -> keras.Model:
    """An untrained reader: attention over the mentions of a passage, summed for each name.

        states_i = encoder(passage)_i
        query    = [encoder(question) at the blank; its mean over the question]
        weights  = softmax over the mentions of candidates of  v . tanh(W query + U states_i)
        p(name)  = sum_{i: passage_i = name} weights_i

    The encoder is a stack of dilated convolutions, which sees seven tokens on
    each side. A mention that the question shows is no candidate.

    Source: Kadlec, Schmid, Bajgar and Kleindienst, "Text Understanding with the
    Attention Sum Reader Network", 2016, whose encoders are recurrent.

    Args:
        size: the number of ids.
        settings: `Settings`.

    Returns:
        A functional model from `passage` `(B, P)` and `question` `(B, Q)` to the
        probability of each marker, `(B, MARKERS)`. Its layer `"attention"` has
        the weights `(B, P)` as second output.

    Example:

    >>> from keras_attention.recipes.cloze import Settings, build
    >>> build(200, Settings(units=8)).output_shape
    (None, 100)
    """
    passage = keras.Input((None,), dtype="int32", name="passage")
    question = keras.Input((None,), dtype="int32", name="question")
    embedding = layers.Embedding(size, settings.embedding_dim, name="words")

    # Which tokens of the passage the question shows, and how many verses ago each stood.
    shown = ops.any(ops.equal(ops.expand_dims(passage, 2), ops.expand_dims(question, 1)), axis=2)
    begins = ops.cast(ops.equal(passage, VERSE_ID), "int32")
    ago = ops.sum(begins, axis=1, keepdims=True) - ops.cumsum(begins, axis=1)
    ago = layers.Embedding(_FARTHEST + 1, settings.embedding_dim, name="verses_ago")(
        ops.minimum(ago, _FARTHEST)
    )

    read = layers.Dropout(settings.dropout)(embedding(passage)) + ago
    read = ops.concatenate([read, ops.cast(ops.expand_dims(shown, 2), read.dtype)], axis=2)
    states = _encoded(read, ops.not_equal(passage, 0), settings)
    states = layers.Dropout(settings.dropout)(states)

    asked = layers.Dropout(settings.dropout)(embedding(question))
    asked = _encoded(asked, ops.not_equal(question, 0), settings)
    at_blank, overall = ops.equal(question, BLANK_ID), ops.not_equal(question, 0)
    query = layers.Concatenate()([_mean(asked, at_blank), _mean(asked, overall)])

    number = passage - FIRST_MARKER
    mention = ops.logical_and(number >= 0, number < MARKERS)
    mention = ops.logical_and(mention, ops.logical_not(shown))
    attention = BahdanauAttention(settings.units, name="attention")
    _, weights = attention(query, states, key_mask=mention, return_attention_scores=True)

    of_name = ops.one_hot(number, MARKERS, dtype=weights.dtype)
    names = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), of_name), axis=1)
    return keras.Model({"passage": passage, "question": question}, names, name="cloze_reader")


def _encoded(inputs: Tensor, real: Tensor, settings: Settings) -> Tensor:
    """States `(B, S, units)` of a sequence; padding reads as zeros."""
    real = ops.cast(ops.expand_dims(real, 2), inputs.dtype)
    states = layers.Dense(settings.units)(inputs) * real
    for dilation in (1, 2, 4):
        near = layers.Conv1D(
            settings.units, 3, padding="same", dilation_rate=dilation, activation="relu"
        )(states)
        states = layers.LayerNormalization()(layers.Add()([states, near])) * real
    return states


def _mean(states: Tensor, where: Tensor) -> Tensor:
    """The mean `(B, units)` of the states at some positions."""
    where = ops.cast(ops.expand_dims(where, 2), states.dtype)
    return ops.sum(states * where, axis=1) / ops.maximum(ops.sum(where, axis=1), 1)


@dataclass(frozen=True)
class ClozeReading(Recipe[Data]):
    """Trains readers that find the name left out of a verse, and measures them on other books.

    A passage of 20 verses of the Bible is followed by one in which a name is
    left out. Names are markers, drawn anew in every epoch. Measured beside are
    the most frequent and the last mentioned candidate.

    Attributes:
        seeds: how many models are trained.

    Example:

    >>> from keras_attention.recipes.cloze import ClozeReading
    >>> list(ClozeReading(seeds=2).variants())
    ['reader', 'reader-2']
    """

    seeds: int = 2

    settings: ClassVar[type[Settings]] = Settings
    artifacts: ClassVar[Mapping[str, Artifact]] = {
        "saved_model": Artifact("saved_model", kind="call"),
        "onnx": Artifact("onnx", "onnx", kind="call"),
    }

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=2, help="models (2)")

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        settings = Settings() if settings is None else settings
        numbers = range(check_positive("seeds", self.seeds))
        names = [f"reader-{number + 1}" if number else "reader" for number in numbers]
        return {
            name: Variant(name, {"seed": settings.seed + number})
            for number, name in enumerate(names)
        }

    def load(self, folder: Path, settings: Settings) -> Data:
        return load_cloze()

    def digest(self, data: Data) -> str:
        return hashlib.sha256(repr(data["train"]).encode()).hexdigest()

    def objective(self, settings: Settings) -> Objective:
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return Objective(keras.losses.SparseCategoricalCrossentropy(), (accuracy,))

    def patience(self, settings: Settings) -> int:
        return settings.epochs

    def build(self, data: Data, settings: Settings) -> keras.Model:
        return build(len(_encoding(data, settings).words), settings)

    def batches(self, model: keras.Model, data: Data, settings: Settings) -> tuple[Any, Any]:
        encoding = _encoding(data, settings)

        def epoch() -> int:
            return training_run.epochs_done(model, train)

        train = cloze_batches(
            encoding, data["train"], settings.batch_size, settings.seed, epoch=epoch
        )
        return train, cloze_batches(encoding, data["dev"], settings.batch_size, shuffle=False)

    def measure(
        self, trained: Mapping[str, Trained], data: Data, settings: Settings, folder: Path
    ) -> Measured:
        encoding = _encoding(data, settings)
        encoding.words.save(folder / "vocabulary.json")
        readers = {name: Reader(one.model, encoding) for name, one in trained.items()}
        runs = []
        for name, one in trained.items():
            found = evaluate(readers[name], data["test"])
            found["dev_accuracy"] = evaluate(readers[name], data["dev"])["accuracy"]
            runs.append(found | {"train_seconds": round(one.seconds, 1), "steps": one.steps})
        report: Config = {
            **{f"{name}_questions": len(some) for name, some in data.items()},
            "candidates": sum(len(one.candidates) for one in data["test"]) / len(data["test"]),
            "words": len(encoding.words),
            "parameters": next(iter(trained.values())).model.count_params(),
            "reader": summary_of(runs),
            **baselines(data["test"]),
        }
        return Measured(report, readers)

    def draw(self, trained: Mapping[str, Trained], data: Data, results: Any, folder: Path) -> None:
        draw_examples(next(iter(results.values())), data["test"], folder)

    def summary(self, report: Config, folder: Path) -> str:
        """What a reader should take away."""
        accuracy = report["reader"]["accuracy"]
        lines = [
            f"\nOf {report['test_questions']:,} questions about books it has never seen:",
            f"  the reader               {accuracy['mean']:.1f} % right (spread "
            f"{accuracy['spread']:.1f})",
            f"  the most frequent name   {report['most_frequent']:.1f} %",
            f"  the last mentioned       {report['last_mentioned']:.1f} %. See:",
        ]
        names = ["report.json", "passages.html", "reader/model.keras"]
        return "\n".join([*lines, *(f"  {folder / name}" for name in names)])


def _encoding(data: Data, settings: Settings) -> Encoding:
    return Encoding.of(data["train"], settings.min_count)
