"""Captioning: train models to caption images, and measure their words and their attention."""

from __future__ import annotations

import csv
import hashlib
import json
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import keras
import numpy as np

from keras_attention import datasets
from keras_attention._core.checks import check_choice
from keras_attention.generation import BeamSearch, Generation
from keras_attention.models import Captioner, backbone
from keras_attention.normalizers.sampled import HardSample
from keras_attention.recipes import training_run
from keras_attention.recipes.caption_quality import (
    MAX_LENGTH,
    Example,
    Name,
    Pictured,
    Quality,
    chance_inside,
    evaluate,
    figures,
    gradient_maps,
    names_said,
    references,
)
from keras_attention.recipes.command import add_switch
from keras_attention.recipes.recipe import Artifact, Measured, Recipe, Variant
from keras_attention.scores.additive import Additive
from keras_attention.scores.fixed import FixedContext
from keras_attention.text.vocabulary import Vocabulary
from keras_attention.vision import GatedAttention

__all__ = [
    "Captioning",
    "Data",
    "Name",
    "Pictured",
    "Quality",
    "Settings",
    "build",
    "chance_inside",
    "evaluate",
    "gradient_maps",
    "names_said",
    "references",
]

DEV_SCENES = 500
Split: TypeAlias = Literal["train", "dev", "test", "places"]


class Settings(NamedTuple):
    """How a captioning model is built and trained; the defaults are those of `make caption`.

    Attributes:
        attention: `"soft"`; `"hard"`, which attends to one location, sampled
            during training; or `"none"` for the same model with the mean of the
            features as context.
        units, embedding_dim, cell, dropout, doubly_stochastic, word_detection:
            as in `Captioner`.
        attention_units: of the additive score.
        label_smoothing: of the loss.
        batch_size, learning_rate: of the training.
        scenes: the number of examples per epoch.
        epochs: how many at most.
        minutes: how long the training may take, always fully annealed.
        seed: of the weights.

    Example:

    >>> from keras_attention.recipes.captioning import Settings
    >>> Settings(units=128)._replace(attention="none").attention
    'none'
    """

    attention: Literal["soft", "hard", "none"] = "soft"
    units: int = 256
    embedding_dim: int = 128
    attention_units: int = 128
    cell: Literal["lstm", "gru"] = "lstm"
    dropout: float = 0.1
    doubly_stochastic: float = 0.0
    word_detection: float = 0.2
    label_smoothing: float = 0.0
    batch_size: int = 64
    scenes: int = 9600
    epochs: int = 60
    learning_rate: float = 2e-3
    minutes: float = 24.0
    seed: int = 0


class Data(NamedTuple):
    """What is trained and measured on.

    Attributes:
        examples: by split, `"train"` and `"dev"`, sequences of what has an
            `image` or `features` and a `caption`: `Scenes`, `CaptionedImages` or
            `CachedFeatures`. An epoch takes `Settings.scenes` of those to train
            on, in an order of its own.
        words: the vocabulary.
        test: by split, what to measure on, see `evaluate`: sequences of examples.
        encoder: the network that computed the features, or None for images.

    Example:

    >>> from keras_attention.recipes.captioning import Data
    >>> Data({}, ["a", "fox"]).words
    ['a', 'fox']
    """

    examples: Mapping[str, Any]
    words: Sequence[str]
    test: Mapping[str, Any] = {}
    encoder: keras.Model | None = None

    @property
    def kind(self) -> str:
        """`"image"` or `"features"`."""
        first = self.examples["train"][0]
        return "features" if isinstance(first, datasets.CaptionedFeatures) else "image"


def build(
    words: Sequence[str],
    image_size: tuple[int, int],
    settings: Settings,
    encoder: keras.Model | None = None,
) -> Captioner:
    """An untrained `Captioner` of these words with the attention of `settings.attention`."""
    check_choice("attention", settings.attention, ("soft", "hard", "none"))
    score, normalizer = Additive(settings.attention_units), "softmax"
    if settings.attention == "hard":
        normalizer = HardSample("straight_through")
    if settings.attention == "none":
        score = FixedContext()
    names = ("units", "embedding_dim", "cell", "dropout", "doubly_stochastic", "word_detection")
    options = {name: getattr(settings, name) for name in names}
    if settings.attention == "none":
        # Constant weights cannot be regularized.
        options["doubly_stochastic"] = 0.0
    return Captioner(
        Vocabulary(words, separator=" "),
        image_size,
        encoder,
        attention=GatedAttention(score, normalizer, name="attention"),
        **options,
    )


@dataclass(frozen=True)
class Captioning(Recipe[Data]):
    """Trains captioning models with soft, without, and with hard attention.

    Attributes:
        language: of the captions of scenes.
        flickr8k: the folder of Flickr8k in place of scenes; "" fetches it.
        images: a folder of images and a file of captions, see `load_captions`.
        backbone: the name of a network of `keras.applications` that encodes the
            images once and is not trained; not for scenes.
        weights: of the backbone, `"imagenet"`, a file, or `"none"`.
        image_size: pixels per side; by default 96, with a backbone 224.
        words: the largest size of the vocabulary of one's own captions.
        test_scenes: the number of scenes to measure on.
        baseline: whether to train the model without attention too.
        hard: whether to train the model with hard attention too.

    Example:

    >>> from keras_attention.recipes.captioning import Captioning
    >>> list(Captioning().variants())
    ['attention', 'no_attention', 'hard']
    """

    language: str = "en"
    flickr8k: str | None = None
    images: Sequence[Path] | None = None
    backbone: str | None = None
    weights: str = "imagenet"
    image_size: int | None = None
    words: int = 5000
    test_scenes: int = 1000
    baseline: bool = True
    hard: bool = True

    settings: ClassVar[type[Settings]] = Settings
    search: ClassVar[BeamSearch] = BeamSearch(max_length=MAX_LENGTH)
    artifacts: ClassVar[Mapping[str, Artifact]] = {
        "saved_model_image": Artifact("saved_model_image", kind="image"),
        "saved_model_ids": Artifact("saved_model_ids", kind="ids"),
        "onnx": Artifact("onnx", "onnx"),
    }
    in_processes: ClassVar[bool] = True

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        data = parser.add_mutually_exclusive_group()
        data.add_argument("--language", default="en", help="of the captions of scenes (en)")
        data.add_argument(
            "--flickr8k",
            nargs="?",
            const="",
            metavar="FOLDER",
            help="with its images and texts; without FOLDER they are fetched",
        )
        data.add_argument(
            "--images",
            nargs=2,
            type=Path,
            metavar=("FOLDER", "CAPTIONS"),
            help="your own, see load_captions; a part is held out",
        )
        parser.add_argument("--backbone", help="of keras.applications, with ImageNet's weights")
        parser.add_argument(
            "--weights", default="imagenet", help="of the backbone; a file, or 'none'"
        )
        parser.add_argument(
            "--image-size", type=int, help="pixels per side (96; with a backbone 224)"
        )
        parser.add_argument("--words", type=int, default=5000, help="at most, of your own (5000)")
        parser.add_argument("--test-scenes", type=int, default=1000, help="to measure on (1000)")
        add_switch(parser, "baseline", "train the model without attention too")
        add_switch(parser, "hard", "train the model with hard attention too")

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        variants = {"attention": Variant("attention", {"attention": "soft"})}
        if self.baseline:
            variants["no_attention"] = Variant("no_attention", {"attention": "none"})
        if self.hard:
            variants["hard"] = Variant("hard", {"attention": "hard"}, turn=1)
        return variants

    def load(self, folder: Path, settings: Settings) -> Data:
        size = self.image_size or (224 if self.backbone else 96)
        if self.flickr8k is not None:
            splits = datasets.load_flickr8k(self.flickr8k or None)
        elif self.images is not None:
            images, captions = self.images
            splits = datasets.load_captions(images, captions)
        else:
            return self._scenes(size)
        for name, held_out in splits.items():
            if not held_out:
                raise ValueError(f"images: expected some that are held out for {name}, found none.")
        examples: dict[str, Any] = {
            name: datasets.CaptionedImages(splits[name], (size, size)) for name in ("train", "dev")
        }
        words = Vocabulary.from_texts(examples["train"].captions, " ", size=self.words)
        encoder = None
        if self.backbone:
            weights = None if self.weights == "none" else self.weights
            # Random weights must be the same in every process, or the features would differ.
            keras.utils.set_random_seed(settings.seed)
            encoder = backbone(self.backbone, (size, size), weights)
            examples = {
                name: datasets.CachedFeatures(images, encoder, folder / f"features-{name}")
                for name, images in examples.items()
            }
        test = [
            Pictured(
                datasets.read_image(one.image, (size, size)),
                tuple(map(datasets.plain_caption, one.captions)),
            )
            for one in splits["test"]
        ]
        return Data(examples, words.tokens[4:], {"test": test}, encoder)

    def _scenes(self, size: int) -> Data:
        if self.backbone:
            raise ValueError("backbone: expected flickr8k or images with it.")

        def scenes(split: Split, count: int | None = None) -> datasets.Scenes:
            return datasets.Scenes(split, size=size, language=self.language, count=count)

        examples = {"train": scenes("train"), "dev": scenes("dev", DEV_SCENES)}
        held_out: tuple[Split, ...] = ("test", "places")
        test = {str(name): scenes(name, self.test_scenes) for name in held_out}
        return Data(examples, examples["train"].words, test)

    def digest(self, data: Data) -> str:
        shape = getattr(data.examples["train"][0], data.kind).shape
        return hashlib.sha256(json.dumps([list(data.words), list(shape)]).encode()).hexdigest()

    def patience(self, settings: Settings) -> int:
        return settings.epochs

    def build(self, data: Data, settings: Settings) -> Captioner:
        if data.kind == "image":
            image_size = data.examples["train"][0].image.shape[:2]
        elif isinstance(data.encoder, keras.Model):
            image_size = data.encoder.input_shape[1:3]
        else:
            raise ValueError(
                "encoder: expected the model that computed the features, "
                f"received {data.encoder!r}."
            )
        return build(data.words, image_size, settings, data.encoder)

    def batches(self, model: keras.Model, data: Data, settings: Settings) -> tuple[Any, Any]:
        train, dev, kind = data.examples["train"], data.examples["dev"], data.kind
        count = min(settings.scenes, len(train))

        def epoch() -> int:
            return training_run.epochs_done(model, batches)

        def order(epoch: int) -> list[int]:
            rng = np.random.default_rng((settings.seed, epoch))
            return list(rng.permutation(len(train))[:count].tolist())

        def example(sequence: Any) -> Callable[[int], tuple[np.ndarray, str]]:
            return lambda i: (getattr(sequence[i], kind), sequence[i].caption)

        options = {"vocabulary": model.vocabulary, "batch_size": settings.batch_size, "kind": kind}
        batches = datasets.caption_batches(
            example(train), count=count, epoch=epoch, order=order, **options
        )
        validation = datasets.caption_batches(
            example(dev), count=len(dev), epoch=lambda: 0, **options
        )
        return batches, validation

    def measure(
        self,
        trained: Mapping[str, training_run.Trained],
        data: Data,
        settings: Settings,
        folder: Path,
    ) -> Measured:
        """Captions what was held out, and writes the captions beside each model."""
        test = {split: list(examples) for split, examples in data.test.items()}
        report: dict[str, Any] = {}
        shown: list[tuple[Generation, Example]] = []
        for name, (model, seconds, steps) in trained.items():
            measured: dict[str, Any] = {}
            for split, examples in test.items():
                quality = evaluate(model, examples)
                one = dict(figures(quality))
                if name == "no_attention" and "pointing" in one:
                    # Its weights are the same everywhere: only its gradient can point.
                    one["pointing"] = one["pointing_gradient"]
                # Those of the test stand at the top, those of other splits below their names.
                measured |= one if split == "test" else {split: one}
                place = folder / self.variants()[name].folder
                _write_captions(quality.captions, examples, place / f"{split}.tsv")
                if name == "attention" and split == "test":
                    shown = list(zip(quality.captions, examples))
            measured |= {"train_seconds": round(seconds, 1), "steps": steps}
            if name == "attention":
                count = model.count_params()
                report |= measured | {"test_scenes": len(test["test"]), "parameters": count}
            else:
                report[name] = measured
        return Measured(report, shown)

    def draw(
        self,
        trained: Mapping[str, training_run.Trained],
        data: Data,
        results: Sequence[tuple[Generation, Example]],
        folder: Path,
    ) -> None:
        """Draws right and wrong captions with the attention of each word."""
        from keras_attention.plots import animate_caption, plot_caption

        folder = folder / "pictures"
        folder.mkdir(exist_ok=True)
        shown: dict[str, list[tuple[Generation, Example]]] = {"right": [], "wrong": []}
        for caption, example in results:
            right = caption.text in references(example)
            shown["right" if right else "wrong"].append((caption, example))
        for kind, pairs in shown.items():
            for number, (caption, example) in enumerate(pairs[:4], 1):
                figure = plot_caption(example.image, caption.tokens, caption.attention)
                figure.savefig(folder / f"{kind}-{number}.png", dpi=110)
                if number == 1:
                    path = folder / f"{kind}-{number}.gif"
                    animate_caption(example.image, caption.tokens, caption.attention, path)


def _write_captions(
    captions: Sequence[Generation], examples: Sequence[Example], path: Path
) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("reference", "caption", "log-probability"))
        for caption, example in zip(captions, examples):
            writer.writerow((references(example)[0], caption.text, f"{caption.score:.3f}"))
