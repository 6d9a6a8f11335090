"""Translation: train a model on sentence pairs with subwords, and measure it with sacrebleu."""

from typing import NamedTuple

import keras

from keras_attention._core.checks import check_choice
from keras_attention._core.optional import require
from keras_attention.datasets import teacher_forcing_batches
from keras_attention.generation import decode_texts
from keras_attention.layers.attention import Attention
from keras_attention.layers.presets import BahdanauAttention, LuongAttention
from keras_attention.models import EncoderDecoder
from keras_attention.recipes import training_run
from keras_attention.scores.fixed import FixedContext
from keras_attention.text.subwords import Subwords

_BOUNDARIES = (12, 16, 20, 24, 28, 32, 36, 40, 46, 54, 64, 80, 100, 130)


class Settings(NamedTuple):
    """How a translation model is built and trained; the defaults are those of `make translate`.

    Attributes:
        attention: `"general"` or `"additive"`; `"none"` for the same model with
            a fixed context, the mean of the memory.
        pieces: the size of each vocabulary.
        cell: `"lstm"` or `"gru"`, for encoder and decoder.
        units, embedding_dim, encoder_layers, decoder_layers, dropout,
            tied_logits: as in `EncoderDecoder`.
        input_feeding: without it the decoder runs first and all steps attend at
            once, which trains faster.
        label_smoothing: of the loss.
        longest: pairs with more pieces on a side are not trained on.
        batch_size, epochs, learning_rate: of the training.
        short_first: in how many epochs short pairs come before long ones.
        minutes: how long the training may take, always fully annealed.
        patience: epochs without a better loss on dev after which it stops.
        seed: of the weights and of the order of the data.

    Example:

    >>> from keras_attention.recipes.translation import Settings
    >>> Settings(units=128)._replace(attention="none").attention
    'none'
    """

    attention: str = "general"
    pieces: int = 4000
    cell: str = "gru"
    units: int = 256
    embedding_dim: int = 256
    encoder_layers: int = 1
    decoder_layers: int = 1
    dropout: float = 0.2
    tied_logits: bool = True
    input_feeding: bool = False
    label_smoothing: float = 0.1
    longest: int = 80
    batch_size: int = 32
    short_first: int = 1
    epochs: int = 20
    learning_rate: float = 2e-3
    minutes: float = 50.0
    patience: int = 3
    seed: int = 0


def train(folder, splits, settings=Settings()):  # noqa: B008 (immutable)
    """Trains a translation model and saves it as `model.keras` in `folder`.

    After every epoch the state of the training is kept in `folder/backup`, and
    the best weights on the dev split. Called again after an interruption with
    the same settings, it goes on from there; called again after the end, it
    gives the finished model back.

    Args:
        folder: where to keep the backup and the model.
        splits: lists `"train"` and `"dev"` of `Pair`, see `load_bible`.
        settings: `Settings`.

    Returns:
        `training_run.Trained`, with the weights that were best on dev.
    """
    done = training_run.finished(folder, settings)
    if done is not None:
        return done
    keras.utils.set_random_seed(settings.seed)
    model = build(splits["train"], settings)
    batches = _batches(model, splits["train"], settings, shuffle=True)
    validation = _batches(model, splits["dev"], settings, shuffle=False)
    return training_run.fit(folder, model, batches, validation, settings, settings.patience)


def build(pairs, settings):
    """An untrained model with subword vocabularies learnt from `pairs`."""
    source = Subwords.from_texts((pair.source for pair in pairs), settings.pieces)
    target = Subwords.from_texts((pair.target for pair in pairs), settings.pieces)
    names = ("units", "embedding_dim", "encoder_layers", "decoder_layers", "dropout", "cell")
    names += ("tied_logits", "input_feeding")
    options = {name: getattr(settings, name) for name in names}
    attention = _attention(settings)
    return EncoderDecoder(source, target, encoder=settings.cell, attention=attention, **options)


def _attention(settings):
    check_choice("attention", settings.attention, ("general", "additive", "none"))
    if settings.attention == "additive":
        return BahdanauAttention(settings.units, name="attention")
    if settings.attention == "none":
        return Attention(FixedContext(), name="attention")
    return LuongAttention(score="general", scale=True, name="attention")


class Quality(NamedTuple):
    """Corpus scores of sacrebleu, from 0 to 100, with its signatures.

    Example:

    >>> from keras_attention.recipes.translation import Quality
    >>> Quality(20.5, "nrefs:1", 44.0, "nrefs:1", []).bleu
    20.5
    """

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    translations: list


def evaluate(model, pairs, search=None, batch_size=64, max_length=128):
    """BLEU and chrF of a model's translations, by sacrebleu on plain text.

    Sources: Papineni et al., 2002; Popovic, 2015; Post, "A Call for Clarity in
    Reporting BLEU Scores", 2018.

    Args:
        model: a trained model.
        pairs: a list of `Pair`.
        search: how to decode, see `decode_texts`; greedily by default.
        batch_size: texts at once.
        max_length: how many pieces at most; of greedy decoding.

    Returns:
        `Quality`.

    Raises:
        ImportError: without the extra `translation`.
    """
    sacrebleu = require("sacrebleu", "translation")
    sources = [pair.source for pair in pairs]
    options = {"max_length": max_length} if search is None else {"search": search}
    decoded = decode_texts(model, sources, batch_size=batch_size, **options)
    texts = [found.text for found in decoded]
    references = [[pair.target for pair in pairs]]
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    return Quality(
        bleu.corpus_score(texts, references).score,
        str(bleu.get_signature()),
        chrf.corpus_score(texts, references).score,
        str(chrf.get_signature()),
        texts,
    )


def _batches(model, pairs, settings, shuffle):
    if not pairs:
        raise ValueError("splits: expected pairs to train on and some for dev, received none.")
    encoded = [
        (model.source_vocabulary.encode(pair.source), model.target_vocabulary.encode(pair.target))
        for pair in pairs
    ]
    kept = [pair for pair in encoded if pair[0] and pair[1]]
    if shuffle:
        kept = [pair for pair in kept if max(map(len, pair)) <= settings.longest]
    sources, targets = zip(*kept)

    def epoch():
        return training_run.epochs_done(model, batches)

    batches = teacher_forcing_batches(
        sources,
        targets,
        settings.batch_size,
        _BOUNDARIES,
        shuffle=shuffle,
        seed=settings.seed,
        short_first=settings.short_first,
        epoch=epoch if shuffle else None,
    )
    return batches
