"""Grapheme to phoneme: train a model to pronounce English words, and measure it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

import keras

from keras_attention.datasets import load_cmudict, teacher_forcing_batches
from keras_attention.datasets.cmudict import Entry
from keras_attention.generation import generate
from keras_attention.metrics import ErrorRates, error_rates
from keras_attention.models import EncoderDecoder
from keras_attention.recipes import training_run
from keras_attention.recipes.recipe import Measured, Recipe
from keras_attention.recipes.training_run import Trained
from keras_attention.text.vocabulary import Vocabulary

# Lists of entries by name of the split: "train", "dev" and "test".
Splits: TypeAlias = Mapping[str, Sequence[Entry]]


class Settings(NamedTuple):
    """How a pronunciation model is built and trained; the defaults are those of `make demo`.

    Attributes:
        units, embedding_dim, num_encoder_layers, num_decoder_layers, dropout: as
            in `EncoderDecoder`.
        input_feeding: without it the decoder runs first and all steps attend at
            once, which trains twice as fast.
        label_smoothing: of the loss.
        batch_size, epochs, learning_rate: of the training.
        minutes: how long the training may take; it ends earlier or later than
            `epochs` would, always fully annealed.
        seed: of the weights and of the order of the data.

    Example:

    >>> from keras_attention.recipes.g2p import Settings
    >>> Settings(units=256)._replace(epochs=2).epochs
    2
    """

    units: int = 128
    embedding_dim: int = 64
    num_encoder_layers: int = 1
    num_decoder_layers: int = 1
    dropout: float = 0.1
    input_feeding: bool = False
    label_smoothing: float = 0.0
    batch_size: int = 128
    epochs: int = 7
    learning_rate: float = 3e-3
    minutes: float = 4.75
    seed: int = 0


def build(entries: Sequence[Entry], settings: Settings) -> EncoderDecoder:
    """An untrained model with the vocabularies of `entries`."""
    letters = Vocabulary.from_texts((entry.word for entry in entries), lowercase=True)
    phonemes = Vocabulary.from_texts(
        (" ".join(said) for entry in entries for said in entry.pronunciations), separator=" "
    )
    return EncoderDecoder(
        letters,
        phonemes,
        embedding_dim=settings.embedding_dim,
        units=settings.units,
        num_encoder_layers=settings.num_encoder_layers,
        num_decoder_layers=settings.num_decoder_layers,
        dropout=settings.dropout,
        input_feeding=settings.input_feeding,
    )


def evaluate(model: EncoderDecoder, entries: Sequence[Entry], batch_size: int = 512) -> ErrorRates:
    """Word and phoneme error rates of greedy decoding, see `error_rates`.

    A word counts as right if any of its pronunciations was produced, as in the
    published comparisons.

    Args:
        model: a trained model.
        entries: a list of `Entry`.
        batch_size: words at once.

    Returns:
        `ErrorRates`, as shares.
    """
    decoded = generate(model, [entry.word for entry in entries], batch_size=batch_size)
    said = [tuple(found.tokens) for found in decoded]
    return error_rates(said, [entry.pronunciations for entry in entries])


@dataclass(frozen=True)
class Pronunciation(Recipe[Splits]):
    """Trains a model on the CMU Pronouncing Dictionary, and measures it on held-out words.

    Example:

    >>> from keras_attention.recipes.g2p import Pronunciation
    >>> Pronunciation().variants()
    {'model': Variant(folder='.', changes={}, turn=0)}
    """

    settings: ClassVar[type[Settings]] = Settings

    def load(self, folder: Path, settings: Settings) -> Splits:
        return load_cmudict()

    def digest(self, data: Splits) -> str:
        return hashlib.sha256(repr(data["train"]).encode()).hexdigest()

    def build(self, data: Splits, settings: Settings) -> EncoderDecoder:
        return build(data["train"], settings)

    def batches(self, model: keras.Model, data: Splits, settings: Settings) -> tuple[Any, Any]:
        return (
            _batches(model, data["train"], settings, shuffle=True),
            _batches(model, data["dev"], settings, shuffle=False),
        )

    def measure(
        self, trained: Mapping[str, Trained], data: Splits, settings: Settings, folder: Path
    ) -> Measured:
        model, seconds, _ = trained["model"]
        report = {
            "parameters": model.count_params(),
            "train_seconds": round(seconds, 1),
            "train_words": len(data["train"]),
            "test_words": len(data["test"]),
        }
        for split in ("dev", "test"):
            rates = evaluate(model, data[split])
            report[f"{split}_wer"] = round(100 * rates.items, 2)
            report[f"{split}_per"] = round(100 * rates.tokens, 2)
        return Measured(report)


def _batches(
    model: keras.Model, entries: Sequence[Entry], settings: Settings, shuffle: bool
) -> Any:
    pairs = [
        (model.source_vocabulary.encode(entry.word), model.target_vocabulary.encode(" ".join(said)))
        for entry in entries
        for said in entry.pronunciations
    ]
    sources, targets = zip(*pairs)

    def epoch() -> int:
        return training_run.epochs_done(model, batches)

    batches = teacher_forcing_batches(
        sources,
        targets,
        settings.batch_size,
        shuffle=shuffle,
        seed=settings.seed,
        epoch=epoch if shuffle else None,
    )
    return batches
