"""Sentiment: train models that read rated film sentences, and measure which words they weigh."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import keras
import numpy as np
from keras import layers

from keras_attention._core.checks import check_choice, check_positive
from keras_attention._core.types import Config
from keras_attention.datasets import (
    RatedText,
    labelled_batches,
    load_sentiment,
    load_sentiment_lexicon,
)
from keras_attention.datasets.sentiment import Domain
from keras_attention.layers.presets import BahdanauAttention
from keras_attention.normalizers import Softmax
from keras_attention.recipes import training_run
from keras_attention.recipes.recipe import Artifact, Measured, Recipe, Variant
from keras_attention.recipes.seeds import summary_of
from keras_attention.recipes.sentiment_pages import draw_examples
from keras_attention.recipes.sentiment_quality import Reader, evaluate, lexicon_accuracy
from keras_attention.recipes.training_run import Objective, Trained
from keras_attention.text import LookupVocabulary, SpecialIds

POOLINGS = ("embeddings", "states", "mean")
# Domains that no model is trained on.
OTHERS: tuple[Domain, ...] = ("amazon", "tweets", "editorials")
_UNKNOWN = 1
# -1: the vocabulary is only read, and needs no start and end.
_SPECIAL = SpecialIds(pad=0, start=-1, end=-1, unknown=_UNKNOWN)


class Settings(NamedTuple):
    """How a sentiment model is built and trained; the defaults are those of `make sentiment`.

    Attributes:
        pooling: `"embeddings"`, attention with embeddings and states as keys
            and the embeddings as values; `"states"`, the same with the states
            as values; or `"mean"`, the mean of the states.
        embedding_dim: features of an embedding.
        units: of the GRU, in each direction, and of the attention.
        temperature: of the softmax of the attention; below 1 it concentrates on
            fewer words, at the cost of some accuracy.
        dropout: of what the encoder reads and of the pooled vector.
        word_dropout: the fraction of the words that are left out in training, so
            that no rare word is learned by heart.
        min_count: a word that occurs less often in the training sentences is
            unknown.
        batch_size, epochs, learning_rate: of the training.
        minutes: how long each training may take, always fully annealed.
        seed: of the weights and of the order of the data; of the first model of
            each pooling.

    Example:

    >>> from keras_attention.recipes.sentiment import Settings
    >>> Settings(units=16)._replace(pooling="mean").pooling
    'mean'
    """

    pooling: Literal["embeddings", "states", "mean"] = "embeddings"
    embedding_dim: int = 32
    units: int = 24
    temperature: float = 0.15
    dropout: float = 0.3
    word_dropout: float = 0.2
    min_count: int = 2
    batch_size: int = 128
    epochs: int = 6
    learning_rate: float = 4e-3
    minutes: float = 20.0
    seed: int = 0


class Data(NamedTuple):
    """What the recipe reads.

    Attributes:
        splits: the film sentences by name of the split: `"train"`, `"dev"` and
            `"test"`, without those whose mean rating is exactly 0.
        others: likewise, all sentences of each other domain.
        lexicon: the words whose weights are added up, with their ratings.
    """

    splits: Mapping[str, Sequence[RatedText]]
    others: Mapping[str, Sequence[RatedText]]
    lexicon: Mapping[str, float]


def build(size: int, settings: Settings) -> keras.Model:
    """An untrained model from ids `(B, S)` to the probability `(B, 1)` that a text is positive.

    The model has the attention weights as the second output of its layer
    `"attention"`, see `Reader`.

    Args:
        size: the number of ids.
        settings: `Settings`.

    Returns:
        A functional model.

    Raises:
        ValueError: for an unknown `pooling`.

    Example:

    >>> from keras_attention.recipes.sentiment import Settings, build
    >>> build(100, Settings()).output_shape
    (None, 1)
    """
    check_choice("pooling", settings.pooling, POOLINGS)
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(size, settings.embedding_dim, mask_zero=True)(words)
    embedded = layers.Dropout(settings.word_dropout, noise_shape=(None, None, 1))(embedded)
    gru = layers.GRU(settings.units, return_sequences=True, return_state=True)
    read = layers.Dropout(settings.dropout)(embedded)
    states, forward, backward = layers.Bidirectional(gru)(read)
    if settings.pooling == "mean":
        pooled = layers.GlobalAveragePooling1D()(states)
    else:
        question = layers.Concatenate()([forward, backward])
        keys = layers.Concatenate()([read, states])
        values = embedded if settings.pooling == "embeddings" else states
        normalizer = Softmax(settings.temperature)
        attention = BahdanauAttention(settings.units, normalizer=normalizer, name="attention")
        pooled, _ = attention(question, values, keys, return_attention_scores=True)
    pooled = layers.Dropout(settings.dropout)(pooled)
    positive = layers.Dense(1, activation="sigmoid", name="positive")(pooled)
    return keras.Model(words, positive, name=f"sentiment_{settings.pooling}")


def vocabulary_of(texts: Iterable[str], min_count: int = 1) -> LookupVocabulary:
    """The words of texts, in lower case and without punctuation, the most frequent first.

    Args:
        texts: strings.
        min_count: words that occur less often are left out.

    Example:

    >>> from keras_attention.recipes.sentiment import vocabulary_of
    >>> words = vocabulary_of(["Good, good film!"])
    >>> words.tokens, words.encode("A good film.")
    (('', '[UNK]', 'good', 'film'), [1, 2, 3])
    """
    check_positive("min_count", min_count)
    reader = LookupVocabulary(["", "[UNK]"], _SPECIAL)
    counts = Counter(word for text in texts for word in reader.split(text))
    kept = [word for word, count in counts.most_common() if count >= min_count]
    return LookupVocabulary(["", "[UNK]", *kept], _SPECIAL)


@dataclass(frozen=True)
class Sentiment(Recipe[Data]):
    """Trains models on rated film sentences: attention over embeddings, over states, and the mean.

    Each is trained with several seeds. The target is the mean rating of a
    sentence as a probability, `sigmoid(rating)`; the accuracy is the share of the
    sentences whose sign is right. Measured are also sentences of other
    domains, and the share of the attention that is on words of a lexicon, which
    no model has seen.

    Attributes:
        seeds: how many models of each pooling are trained.

    Example:

    >>> from keras_attention.recipes.sentiment import Sentiment
    >>> list(Sentiment(seeds=1).variants())
    ['embeddings', 'states', 'mean']
    """

    seeds: int = 2

    settings: ClassVar[type[Settings]] = Settings
    artifacts: ClassVar[Mapping[str, Artifact]] = {
        "saved_model_text": Artifact("saved_model_text", kind="text"),
        "onnx": Artifact("onnx", "onnx", kind="call"),
    }

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=2, help="models of each kind (2)")

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        settings = Settings() if settings is None else settings
        variants = {}
        for number in range(check_positive("seeds", self.seeds)):
            for pooling in POOLINGS:
                name = f"{pooling}-{number + 1}" if number else pooling
                changes = {"pooling": pooling, "seed": settings.seed + number}
                variants[name] = Variant(name, changes)
        return variants

    def load(self, folder: Path, settings: Settings) -> Data:
        splits = {name: _rated(split) for name, split in load_sentiment("films").items()}
        others: dict[str, list[RatedText]] = {
            domain: [one for split in load_sentiment(domain).values() for one in _rated(split)]
            for domain in OTHERS
        }
        return Data(splits, others, load_sentiment_lexicon())

    def digest(self, data: Data) -> str:
        return hashlib.sha256(repr(data.splits["train"]).encode()).hexdigest()

    def objective(self, settings: Settings) -> Objective:
        return Objective(keras.losses.BinaryCrossentropy(), (keras.metrics.MeanAbsoluteError(),))

    def build(self, data: Data, settings: Settings) -> keras.Model:
        return build(len(_vocabulary(data, settings)), settings)

    def train(self, folder: str | Path, data: Data, settings: Settings | None = None) -> Trained:
        settings = Settings() if settings is None else settings
        trained = super().train(folder, data, settings)
        # A functional model keeps no vocabulary in its file.
        trained.model.source_vocabulary = _vocabulary(data, settings)
        return trained

    def batches(self, model: keras.Model, data: Data, settings: Settings) -> tuple[Any, Any]:
        vocabulary = _vocabulary(data, settings)

        def epoch() -> int:
            return training_run.epochs_done(model, training)

        def batched(split: str, **options: Any) -> Any:
            rated = data.splits[split]
            ids = [vocabulary.encode(one.text) or [_UNKNOWN] for one in rated]
            ratings = np.array([one.rating for one in rated])
            targets = (1 / (1 + np.exp(-ratings))).astype("float32")
            return labelled_batches(
                ids, targets[:, None], settings.batch_size, seed=settings.seed, **options
            )

        training = batched("train", epoch=epoch)
        return training, batched("dev", shuffle=False)

    def measure(
        self, trained: Mapping[str, Trained], data: Data, settings: Settings, folder: Path
    ) -> Measured:
        vocabulary = _vocabulary(data, settings)
        vocabulary.save(folder / "vocabulary.json")
        readers = {name: Reader(one.model, vocabulary) for name, one in trained.items()}
        by_pooling: dict[str, list[Config]] = {pooling: [] for pooling in POOLINGS}
        for name, one in trained.items():
            found: Config = evaluate(readers[name], data.splits["test"], data.lexicon)
            found["dev_accuracy"] = evaluate(readers[name], data.splits["dev"])["accuracy"]
            for domain, rated in data.others.items():
                found[f"{domain}_accuracy"] = evaluate(readers[name], rated)["accuracy"]
            found |= {"train_seconds": round(one.seconds, 1), "steps": one.steps}
            by_pooling[name.partition("-")[0]].append(found)
        first = next(iter(trained.values())).model
        report: Config = {
            "accuracy": by_pooling["embeddings"][0]["accuracy"],
            "train_sentences": len(data.splits["train"]),
            "test_sentences": len(data.splits["test"]),
            "words": len(vocabulary),
            "parameters": first.count_params(),
            **{pooling: summary_of(found) for pooling, found in by_pooling.items()},
            "lexicon_alone": lexicon_accuracy(vocabulary, data.splits["test"], data.lexicon),
        }
        return Measured(report, readers)

    def draw(self, trained: Mapping[str, Trained], data: Data, results: Any, folder: Path) -> None:
        """Shows test sentences in the terminal, in a page, and in pictures."""
        readers = {name: results[name] for name in ("embeddings", "states")}
        draw_examples(readers, data.splits["test"], folder)

    def summary(self, report: Config, folder: Path) -> str:
        """What a reader should take away."""
        lines = [f"\nOn {report['test_sentences']:,} sentences it has never seen:"]
        for pooling in POOLINGS:
            found = report[pooling]
            line = f"  {pooling:<11} {found['accuracy']['mean']:.1f} % right"
            if "lexicon_ratio" in found:
                line += (
                    f", {found['lexicon_ratio']['mean']:.2f} times as much weight on words of "
                    "the lexicon as equal weights have there"
                )
            lines.append(line)
        lines.append(f"  the lexicon alone {report['lexicon_alone']:.1f} %. See:")
        names = ["report.json", "highlights.html", "highlight-*.png", "embeddings/model.keras"]
        return "\n".join([*lines, *(f"  {folder / name}" for name in names)])


def _rated(split: Iterable[RatedText]) -> list[RatedText]:
    """Without what is neither positive nor negative."""
    return [one for one in split if one.rating]


def _vocabulary(data: Data, settings: Settings) -> LookupVocabulary:
    return vocabulary_of((one.text for one in data.splits["train"]), settings.min_count)
