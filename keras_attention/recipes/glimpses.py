"""Glimpses: train a network that searches an image for a digit, and models to compare with."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import layers

from keras_attention._core.checks import check_choice
from keras_attention.callbacks import AnnealToBudget, StopOnNaN
from keras_attention.datasets import Digits, load_digits
from keras_attention.datasets.digits import SIDE, PlacedDigitBatches, place_digits
from keras_attention.models import GlimpseClassifier
from keras_attention.recipes.recipe import Measured, Recipe, Variant
from keras_attention.recipes.training_run import Trained, keeping_last_good, save_whole
from keras_attention.vision import (
    GaussianLocations,
    GlimpseNetwork,
    GlimpseRNN,
    Retina,
    UniformLocations,
)

# Digits by name of the split: "train", "dev" and "test".
Splits: TypeAlias = Mapping[str, Digits]
KINDS = ("glimpses", "random_places", "cnn")


class Settings(NamedTuple):
    """How a model is built and trained; the defaults are those of `make glimpses`.

    Attributes:
        kind: `"glimpses"`; `"random_places"`, the same network with locations it
            cannot choose; or `"cnn"`, a convolutional network with as many
            weights as `"glimpses"`, as nearly as whole filters allow.
        image_size, pieces: as in `place_digits`.
        steps: the number of glimpses.
        units: of the recurrent cell and of the glimpse network.
        hidden: of the glimpse network.
        retina_size, scales, growth: of the retina.
        std, last_std: of the locations around their mean during training, at
            first and in the last third.
        factor: of the score-function loss.
        samples: the number of sampled paths per image.
        batch_size: different images in a batch.
        copies: how often a digit occurs in an epoch, each time at another place.
        epochs, learning_rate: of the training.
        minutes: how long each model may train; always fully annealed.
        tests: how often each test digit is placed.
        seed: of the weights and of the data.

    Example:

    >>> from keras_attention.recipes.glimpses import Settings
    >>> Settings(steps=4)._replace(epochs=2).steps
    4
    """

    kind: Literal["glimpses", "random_places", "cnn"] = "glimpses"
    image_size: int = 32
    pieces: int = 4
    steps: int = 6
    units: int = 128
    hidden: int = 128
    retina_size: int = 8
    scales: int = 3
    growth: float = 2.0
    std: float = 0.35
    last_std: float = 0.15
    factor: float = 0.04
    samples: int = 1
    batch_size: int = 128
    copies: int = 4
    epochs: int = 300
    learning_rate: float = 4e-3
    minutes: float = 5.0
    tests: int = 4
    seed: int = 0


def build(settings: Settings, classes: int = 10) -> keras.Model:
    """An untrained model.

    Args:
        settings: `Settings`.
        classes: the number of classes.

    Returns:
        A `GlimpseClassifier`, or a model from images to logits.

    Raises:
        ValueError: for an unknown `kind`.
    """
    kind = check_choice("kind", settings.kind, KINDS)
    if kind == "cnn":
        weights = build(settings._replace(kind="glimpses"), classes).count_params()
        return _cnn(settings, _filters(weights, classes), classes)
    policy = (
        GaussianLocations(settings.std, seed=settings.seed)
        if kind == "glimpses"
        else UniformLocations(seed=settings.seed)
    )
    glimpses = GlimpseRNN(
        layers.LSTMCell(settings.units),
        steps=settings.steps,
        retina=Retina(settings.retina_size, settings.scales, settings.growth),
        network=GlimpseNetwork(settings.units, settings.hidden),
        policy=policy,
    )
    chooses = kind == "glimpses"
    samples = settings.samples if chooses else 1
    factor = settings.factor if chooses else 0.0
    model = GlimpseClassifier(glimpses, classes, samples=samples, factor=factor)
    model.build((None, settings.image_size, settings.image_size, 1))
    return model


def _cnn(settings: Settings, filters: int, classes: int) -> keras.Model:
    """Convolutions and pooling, then the maximum of each feature over all locations."""

    def convolution(filters: int) -> keras.Layer:
        return layers.Conv2D(filters, 3, padding="same", activation="relu")

    return keras.Sequential(
        [
            keras.Input((settings.image_size, settings.image_size, 1)),
            convolution(filters),
            convolution(filters),
            layers.MaxPooling2D(),
            convolution(2 * filters),
            convolution(2 * filters),
            layers.MaxPooling2D(),
            convolution(4 * filters),
            layers.GlobalMaxPooling2D(),
            layers.Dense(classes),
        ],
        name="cnn",
    )


def _filters(weights: int, classes: int) -> int:
    """The number of filters in the first layer that makes the size of the network `weights`."""

    def count(n: int) -> int:
        kernels = 9 * (n + n * n + 2 * n * n + 4 * n * n + 8 * n * n) + 4 * n * classes
        return kernels + (n + n + 2 * n + 2 * n + 4 * n) + classes

    return min(range(1, 200), key=lambda n: abs(count(n) - weights))


def multiply_adds(model: keras.Model, image_shape: Sequence[int]) -> dict[str, int]:
    """The number of multiply-adds of the model for one image.

    Matrix products and convolutions are counted, and of a `GlimpseClassifier`
    the retina as it is computed here, by dense products over all rows and
    columns of pixels. Gathering only the pixels needed would cost much less.

    Args:
        model: as `build` returns them.
        image_shape: `(H, W, C)`.

    Returns:
        A dictionary of integers with their `"total"`.
    """
    if not isinstance(model, GlimpseClassifier):
        counts = {}
        for layer in model.layers:
            if isinstance(layer, (layers.Conv2D, layers.Dense)):
                places = int(np.prod(layer.output.shape[1:-1]))
                counts[layer.name] = places * int(np.prod(layer.kernel.shape))
        return {**counts, "total": sum(counts.values())}
    glimpses = model.glimpses
    height, width, channels = image_shape
    retina = glimpses.retina
    lines = retina.scales * retina.size
    matrices = [
        variable
        for part in (glimpses, model.logits)
        for variable in part.trainable_variables
        if len(variable.shape) == 2
    ]
    counts = {
        "retina": glimpses.steps * channels * lines * width * (height + retina.size),
        "network": glimpses.steps * sum(int(np.prod(v.shape)) for v in matrices),
    }
    return {**counts, "total": sum(counts.values())}


def evaluate(
    model: keras.Model,
    digits: Digits,
    settings: Settings = Settings(),  # noqa: B008 (immutable)
    batch_size: int = 256,
) -> dict[str, Any]:
    """The accuracy of a model on held-out digits, each placed `settings.tests` times.

    Args:
        model: as `build` returns them.
        digits: `Digits`, such as those of the split `"test"`.
        settings: `Settings`.
        batch_size: images at once.

    Returns:
        A dictionary with `"accuracy"`. For a network with glimpses also lists
        with one number per glimpse: `"accuracy_after"`, and `"found_after"`,
        the share of the images in which the centre of the digit was in the
        finest patch of this or an earlier glimpse.
    """
    right, found = [], []
    for test in range(settings.tests):
        # Of four numbers, which no seed of the training has.
        seed = [settings.seed, 0, 0, test]
        placed = place_digits(digits, settings.image_size, settings.pieces, seed)
        answers = [
            model(placed.images[start : start + batch_size], training=False)
            for start in range(0, len(placed.labels), batch_size)
        ]
        if not isinstance(answers[0], dict):
            logits = np.concatenate([np.asarray(answer) for answer in answers])
            right.append(logits.argmax(-1)[:, None] == placed.labels[:, None])
            continue
        logits, places = (
            np.concatenate([np.asarray(answer[name]) for answer in answers])
            for name in ("logits", "places")
        )
        right.append(logits.argmax(-1) == placed.labels[:, None])
        # Edges of pixels are whole numbers.
        looked = (places + 1) / 2 * settings.image_size
        distance = np.abs(looked - (placed.corners[:, None] + SIDE / 2)).max(-1)
        within = distance <= model.glimpses.retina.size / 2
        found.append(np.logical_or.accumulate(within, axis=1))
    after = [round(float(share), 4) for share in np.concatenate(right).mean(0)]
    if not found:
        return {"accuracy": after[-1]}
    shares = [round(float(share), 4) for share in np.concatenate(found).mean(0)]
    return {"accuracy": after[-1], "accuracy_after": after, "found_after": shares}


@dataclass(frozen=True)
class Glimpses(Recipe[Splits]):
    """Trains the glimpse network, the same one with random locations, and a convolutional one.

    All have the same settings and the same time. Every epoch places the digits
    anew. Each model is saved as `KIND.keras`. A training is not resumed.

    Example:

    >>> from keras_attention.recipes.glimpses import Glimpses
    >>> list(Glimpses().variants())
    ['glimpses', 'random_places', 'cnn']
    """

    settings: ClassVar[type[Settings]] = Settings

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        return {kind: Variant(changes={"kind": kind}) for kind in KINDS}

    def load(self, folder: Path, settings: Settings) -> Splits:
        return load_digits()

    def build(self, data: Splits, settings: Settings) -> keras.Model:
        return build(settings)

    def batches(self, model: keras.Model, data: Splits, settings: Settings) -> tuple[Any, Any]:
        return _Batches(data["train"], settings, model), None

    def train(self, folder: str | Path, data: Splits, settings: Settings | None = None) -> Trained:
        """Trains a model and saves it as `KIND.keras` in `folder`.

        Args:
            folder: where to save the model.
            data: as `load_digits` returns them; those of `"train"` are used.
            settings: `Settings`.

        Returns:
            `Trained`.

        Raises:
            DivergedError: if the loss becomes NaN or infinite, see
                `training_run.fit`.
        """
        settings = Settings() if settings is None else settings
        keras.utils.set_random_seed(settings.seed)
        model = self.build(data, settings)
        batches, _ = self.batches(model, data, settings)
        budget = AnnealToBudget(
            settings.learning_rate, settings.epochs * len(batches), 60 * settings.minutes
        )
        callbacks: list[keras.callbacks.Callback] = [StopOnNaN(), budget]
        optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
        if settings.kind == "cnn":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer, loss, metrics=["accuracy"])
        else:
            model.compile(optimizer)
        if settings.kind == "glimpses":
            callbacks.append(_Narrow(budget, settings))
        verbose = 1 if sys.stdout.isatty() else 2
        epochs = settings.epochs
        path = Path(folder) / f"{settings.kind}.keras"
        with keeping_last_good(model, path):
            model.fit(batches, epochs=epochs, shuffle=False, verbose=verbose, callbacks=callbacks)
        save_whole(model, path)
        return Trained(model, budget.spent, int(optimizer.iterations))

    def measure(
        self, trained: Mapping[str, Trained], data: Splits, settings: Settings, folder: Path
    ) -> Measured:
        report: dict[str, Any] = {"test_images": settings.tests * len(data["test"].labels)}
        image_shape = (settings.image_size, settings.image_size, 1)
        for kind, (model, seconds, steps) in trained.items():
            report[kind] = {
                **evaluate(model, data["test"], settings),
                "dev_accuracy": evaluate(model, data["dev"], settings)["accuracy"],
                "parameters": model.count_params(),
                "multiply_adds": multiply_adds(model, image_shape),
                "train_seconds": round(seconds, 1),
                "train_images": steps * settings.batch_size,
            }
        return Measured(report)


class _Narrow(keras.callbacks.Callback):
    """Reduces the standard deviation of locations geometrically over the first two thirds."""

    def __init__(self, budget: AnnealToBudget, settings: Settings) -> None:
        super().__init__()
        self.budget, self.settings = budget, settings

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        progress = max(
            epoch / self.settings.epochs, self.budget.spent / (60 * self.settings.minutes)
        )
        first, last = self.settings.std, self.settings.last_std
        std = first * (last / first) ** min(1.0, 1.5 * progress)
        self.model.glimpses.policy.std.assign(std)


class _Batches(PlacedDigitBatches):
    """Batches with each image repeated once per sampled path."""

    def __init__(self, digits: Digits, settings: Settings, model: keras.Model) -> None:
        self.samples = model.samples if isinstance(model, GlimpseClassifier) else 1
        super().__init__(
            digits,
            batch_size=settings.batch_size,
            size=settings.image_size,
            pieces=settings.pieces,
            copies=settings.copies,
            seed=settings.seed,
        )

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = super().__getitem__(index)
        return np.repeat(images, self.samples, axis=0), np.repeat(labels, self.samples)
