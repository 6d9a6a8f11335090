"""Grapheme to phoneme: train a model to say English words, and measure it."""

from typing import NamedTuple

import keras

from keras_attention.datasets import teacher_forcing_batches
from keras_attention.generation import decode_texts
from keras_attention.metrics import error_rates
from keras_attention.models import EncoderDecoder
from keras_attention.recipes import training_run
from keras_attention.text.vocabulary import Vocabulary


class Settings(NamedTuple):
    """How a spelling model is built and trained; the defaults are those of `make demo`.

    Attributes:
        units, embedding_dim, encoder_layers, decoder_layers, dropout: as in
            `EncoderDecoder`.
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
    encoder_layers: int = 1
    decoder_layers: int = 1
    dropout: float = 0.1
    input_feeding: bool = False
    label_smoothing: float = 0.0
    batch_size: int = 128
    epochs: int = 7
    learning_rate: float = 3e-3
    minutes: float = 4.75
    seed: int = 0


def train(folder, splits, settings=Settings()):  # noqa: B008 (immutable)
    """Trains a spelling model and saves it as `model.keras` in `folder`.

    After every epoch the state of the training is kept in `folder/backup`;
    called again after an interruption with the same settings, it goes on from
    there.

    Args:
        folder: where to keep the backup and the model.
        splits: as `load_cmudict` returns them.
        settings: `Settings`.

    Returns:
        `training_run.Trained`.
    """
    keras.utils.set_random_seed(settings.seed)
    model = build(splits["train"], settings)
    batches = _batches(model, splits["train"], settings, shuffle=True)
    validation = _batches(model, splits["dev"], settings, shuffle=False)
    return training_run.fit(folder, model, batches, validation, settings)


def build(entries, settings):
    """An untrained model with the vocabularies of `entries`."""
    letters = Vocabulary.from_texts((entry.word for entry in entries), lowercase=True)
    phonemes = Vocabulary.from_texts(
        (" ".join(said) for entry in entries for said in entry.pronunciations), separator=" "
    )
    names = ("units", "embedding_dim", "encoder_layers", "decoder_layers", "dropout")
    options = {name: getattr(settings, name) for name in names}
    return EncoderDecoder(letters, phonemes, input_feeding=settings.input_feeding, **options)


def evaluate(model, entries, batch_size=512):
    """Word and phoneme error rates of greedy decoding, see `error_rates`.

    A word counts as right where any of its pronunciations was produced, as in
    the published comparisons.

    Args:
        model: a trained model.
        entries: a list of `Entry`.
        batch_size: words at once.

    Returns:
        `ErrorRates`, as shares.
    """
    decoded = decode_texts(model, [entry.word for entry in entries], batch_size=batch_size)
    said = [tuple(found.target_tokens) for found in decoded]
    return error_rates(said, [entry.pronunciations for entry in entries])


def _batches(model, entries, settings, shuffle):
    pairs = [
        (model.source_vocabulary.encode(entry.word), model.target_vocabulary.encode(" ".join(said)))
        for entry in entries
        for said in entry.pronunciations
    ]
    sources, targets = zip(*pairs)
    return teacher_forcing_batches(
        sources, targets, settings.batch_size, shuffle=shuffle, seed=settings.seed
    )
