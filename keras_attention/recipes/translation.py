"""Translation: train a model on sentence pairs with subwords, and measure it with sacrebleu."""

from __future__ import annotations

import csv
import hashlib
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import keras

from keras_attention._core.checks import check_choice
from keras_attention.datasets import (
    Pair,
    load_bible,
    load_pairs,
    split_pairs,
    teacher_forcing_batches,
)
from keras_attention.datasets.bible import Language
from keras_attention.generation import BeamSearch, Greedy, generate
from keras_attention.layers.attention import Attention
from keras_attention.layers.presets import BahdanauAttention, LuongAttention
from keras_attention.models import EncoderDecoder, Transformer
from keras_attention.recipes import training_run
from keras_attention.recipes.command import add_switch
from keras_attention.recipes.recipe import Artifact, Measured, Recipe, Variant
from keras_attention.recipes.translation_quality import MAX_LENGTH, Quality, evaluate, timed
from keras_attention.scores.fixed import FixedContext
from keras_attention.text.subwords import Subwords

__all__ = ["MAX_LENGTH", "Quality", "Settings", "Splits", "Translation", "build", "evaluate"]

_BOUNDARIES = (12, 16, 20, 24, 28, 32, 36, 40, 46, 54, 64, 80, 100, 130)
# Lists of pairs by name of the split: "train", "dev" and "test".
Splits: TypeAlias = Mapping[str, Sequence[Pair]]


class Settings(NamedTuple):
    """How a translation model is built and trained; the defaults are those of `make translate`.

    Attributes:
        model: `"recurrent"`, an `EncoderDecoder`; or `"transformer"`, a
            `Transformer` of `units`, `num_heads`, layers, `dropout` and
            `tied_logits`. The other settings of the model are those of the
            recurrent one.
        attention: `"general"` or `"additive"`; `"none"` for the same model with
            a fixed context, the mean of the memory.
        pieces: the size of each vocabulary.
        cell: `"lstm"` or `"gru"`, for encoder and decoder.
        units, embedding_dim, num_encoder_layers, num_decoder_layers, dropout,
            tied_logits: as in `EncoderDecoder`.
        num_heads: as in `Transformer`.
        input_feeding: without it the decoder runs first and all steps attend at
            once, which trains faster.
        label_smoothing: of the loss.
        longest: pairs with more pieces on a side are not trained on.
        batch_size, epochs, learning_rate: of the training.
        warmup: the fraction of the training in which the learning rate rises.
        short_first: the number of epochs in which short pairs come before long ones.
        minutes: how long the training may take, always fully annealed.
        patience: epochs without a better loss on dev after which training stops.
        seed: of the weights and of the order of the data.

    Example:

    >>> from keras_attention.recipes.translation import Settings
    >>> Settings(units=128)._replace(attention="none").attention
    'none'
    """

    model: Literal["recurrent", "transformer"] = "recurrent"
    attention: Literal["general", "additive", "none"] = "general"
    pieces: int = 4000
    cell: Literal["lstm", "gru"] = "gru"
    units: int = 256
    embedding_dim: int = 256
    num_encoder_layers: int = 1
    num_decoder_layers: int = 1
    dropout: float = 0.2
    tied_logits: bool = True
    num_heads: int = 4
    input_feeding: bool = False
    label_smoothing: float = 0.1
    longest: int = 80
    batch_size: int = 32
    short_first: int = 1
    epochs: int = 20
    learning_rate: float = 2e-3
    warmup: float = 0.02
    minutes: float = 50.0
    patience: int = 3
    seed: int = 0


# What suits a Transformer, in place of the defaults. Its rate must rise slowly, or the first
# steps spoil the attention: Xiong et al., 2020.
_TRANSFORMER = {
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "dropout": 0.1,
    "learning_rate": 1e-3,
    "warmup": 0.1,
}


def build(pairs: Sequence[Pair], settings: Settings) -> EncoderDecoder | Transformer:
    """An untrained model with subword vocabularies learned from `pairs`."""
    check_choice("model", settings.model, ("recurrent", "transformer"))
    source = Subwords.from_texts((pair.source for pair in pairs), settings.pieces)
    target = Subwords.from_texts((pair.target for pair in pairs), settings.pieces)
    if settings.model == "transformer":
        return Transformer(
            source,
            target,
            settings.units,
            settings.num_heads,
            settings.num_encoder_layers,
            settings.num_decoder_layers,
            dropout=settings.dropout,
            tied_logits=settings.tied_logits,
        )
    return EncoderDecoder(
        source,
        target,
        embedding_dim=settings.embedding_dim,
        units=settings.units,
        encoder=settings.cell,
        num_encoder_layers=settings.num_encoder_layers,
        num_decoder_layers=settings.num_decoder_layers,
        cell=settings.cell,
        attention=_attention(settings),
        dropout=settings.dropout,
        tied_logits=settings.tied_logits,
        input_feeding=settings.input_feeding,
    )


def _attention(settings: Settings) -> Attention:
    check_choice("attention", settings.attention, ("general", "additive", "none"))
    if settings.attention == "additive":
        return BahdanauAttention(settings.units, name="attention")
    if settings.attention == "none":
        return Attention(FixedContext(), name="attention")
    return LuongAttention(score="general", scale=True, name="attention")


@dataclass(frozen=True)
class Translation(Recipe[Splits]):
    """Trains a translation model, and another on the same data and budget to compare with.

    A recurrent model is compared with the same one without attention, a
    Transformer with the recurrent model. Settings that were left at their
    defaults are, for a Transformer, those that suit it.

    Attributes:
        languages: two of the Bible's, from which and into which.
        pairs: files of sentence pairs in place of the Bible, see `load_pairs`.
        baseline: whether to train the model to compare with too.

    Example:

    >>> from keras_attention.recipes.translation import Translation
    >>> list(Translation(languages=("en", "es")).variants())
    ['model', 'without_attention']
    """

    languages: Sequence[Language] = ("en", "fr")
    pairs: Sequence[Path] | None = None
    baseline: bool = True

    settings: ClassVar[type[Settings]] = Settings
    # The best of length penalties 0, 0.6 and 1 and coverage penalties 0 and 0.2 on dev.
    search: ClassVar[BeamSearch] = BeamSearch(
        num_beams=4, length_penalty=0.6, max_length=MAX_LENGTH
    )
    artifacts: ClassVar[Mapping[str, Artifact]] = {
        "saved_model_ids": Artifact("saved_model_ids", kind="ids"),
        "saved_model_text": Artifact("saved_model_text", kind="text"),
        "onnx": Artifact("onnx", "onnx"),
    }
    in_processes: ClassVar[bool] = True

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        data = parser.add_mutually_exclusive_group()
        data.add_argument(
            "--languages",
            nargs=2,
            default=["en", "fr"],
            metavar=("SOURCE", "TARGET"),
            help="of the Bible: two of en, fr, es, de, it (en fr)",
        )
        data.add_argument(
            "--pairs",
            nargs="+",
            type=Path,
            metavar="FILE",
            help="a TSV file, or two files with the same number of lines; a part is held out",
        )
        add_switch(parser, "baseline", "train the model to compare with too")

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        settings = Settings() if settings is None else settings
        given, defaults = settings._asdict(), Settings()._asdict()
        name, changes = "without_attention", {"attention": "none"}
        model = Variant()
        if settings.model == "transformer":
            left = {n: value for n, value in _TRANSFORMER.items() if given[n] == defaults[n]}
            model = Variant(changes=left)
            name, changes = "recurrent", {n: defaults[n] for n in ("model", *_TRANSFORMER)}
        return {"model": model, **({name: Variant(name, changes)} if self.baseline else {})}

    def load(self, folder: Path, settings: Settings) -> Splits:
        if self.pairs is None:
            source, target = self.languages
            return load_bible(source, target)
        if len(self.pairs) > 2:
            raise ValueError(f"pairs: expected one file or two, received {len(self.pairs)}.")
        return split_pairs(load_pairs(*self.pairs))

    def digest(self, data: Splits) -> str:
        return hashlib.sha256(repr(data["train"]).encode()).hexdigest()

    def patience(self, settings: Settings) -> int:
        return settings.patience

    def warmup(self, settings: Settings) -> float:
        return settings.warmup

    def build(self, data: Splits, settings: Settings) -> EncoderDecoder | Transformer:
        return build(data["train"], settings)

    def batches(self, model: keras.Model, data: Splits, settings: Settings) -> tuple[Any, Any]:
        return (
            _batches(model, data["train"], settings, shuffle=True),
            _batches(model, data["dev"], settings, shuffle=False),
        )

    def measure(
        self,
        trained: Mapping[str, training_run.Trained],
        data: Splits,
        settings: Settings,
        folder: Path,
    ) -> Measured:
        model, seconds, steps = trained["model"]
        test = data["test"]
        greedy, greedy_seconds = timed(model, test, Greedy(max_length=MAX_LENGTH))
        beam, beam_seconds = timed(model, test, self.search)
        report: dict[str, Any] = {
            "bleu_greedy": round(greedy.bleu, 2),
            "bleu_beam": round(beam.bleu, 2),
            "chrf_greedy": round(greedy.chrf, 2),
            "chrf_beam": round(beam.chrf, 2),
            "seconds_per_sentence_greedy": greedy_seconds,
            "seconds_per_sentence_beam": beam_seconds,
        }
        for name, short in (("without_attention", "no_attention"), ("recurrent", "recurrent")):
            if name not in trained:
                continue
            other, its_seconds, its_steps = trained[name]
            quality, per_sentence = timed(other, test, self.search)
            report |= {
                f"bleu_{short}": round(quality.bleu, 2),
                f"chrf_{short}": round(quality.chrf, 2),
                f"{short}_train_seconds": round(its_seconds, 1),
                f"{short}_steps": its_steps,
                f"{short}_seconds_per_sentence": per_sentence,
                f"{short}_parameters": other.count_params(),
            }
        report |= {
            "sacrebleu_signature": beam.bleu_signature,
            "chrf_signature": beam.chrf_signature,
            "test_sentences": len(test),
            "train_sentences": len(data["train"]),
            "train_seconds": round(seconds, 1),
            "steps": steps,
            "parameters": model.count_params(),
            "beam": {
                "num_beams": self.search.num_beams,
                "length_penalty": self.search.length_penalty,
                "max_length": self.search.max_length,
            },
        }
        with open(folder / "translations.tsv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(("source", "reference", "translation"))
            writer.writerows((*pair, text) for pair, text in zip(test, beam.translations))
        return Measured(report)

    def draw(
        self,
        trained: Mapping[str, training_run.Trained],
        data: Splits,
        results: Any,
        folder: Path,
    ) -> None:
        """Draws how three held-out sentences were translated."""
        from keras_attention.plots import plot_attention

        shown = [pair for pair in data["test"] if 8 <= len(pair.source.split()) <= 14]
        shown = shown[:: max(1, len(shown) // 3)][:3]
        model = trained["model"].model
        found = generate(model, [pair.source for pair in shown], self.search)
        for number, one in enumerate(found, 1):
            figure = plot_attention(one.attention, one.source_tokens or [], one.tokens)
            figure.savefig(folder / f"alignment-{number}.png", dpi=150)


def _batches(model: keras.Model, pairs: Sequence[Pair], settings: Settings, shuffle: bool) -> Any:
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

    def epoch() -> int:
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
