"""Glimpses: train a network that looks around for a digit, and what it is measured by."""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from keras_attention._core.checks import check_choice
from keras_attention.callbacks import AnnealToBudget
from keras_attention.datasets.digits import SIDE, PlacedDigitBatches, place_digits
from keras_attention.models import GlimpseClassifier
from keras_attention.vision import (
    GaussianLocations,
    GlimpseNetwork,
    GlimpseRNN,
    Retina,
    UniformLocations,
)

KINDS = ("glimpses", "random_places", "cnn")


class Settings(NamedTuple):
    """How the models are built and trained; the defaults are those of `make glimpses`.

    Attributes:
        image_size, pieces: as in `place_digits`.
        steps: how many glimpses.
        units: of the recurrent cell and of the glimpse network.
        hidden: of the glimpse network.
        retina_size, scales, growth: of the retina.
        std, last_std: how far from where the network points it looks while
            training, at first and in the last third.
        factor: of the score-function loss.
        samples: how many times it looks at an image of a batch.
        batch_size: different images in a batch; those without samples get so
            many more.
        copies: how often a digit occurs in an epoch, each time placed anew.
        epochs, learning_rate: of the training.
        minutes: how long each model may train; always fully annealed.
        tests: how often the digits of the test are placed.
        seed: of the weights and of the data.

    Example:

    >>> from keras_attention.recipes.glimpses import Settings
    >>> Settings(steps=4)._replace(epochs=2).steps
    4
    """

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


class Trained(NamedTuple):
    """A trained model, the seconds that its training took and the images that it saw.

    Example:

    >>> from keras_attention.recipes.glimpses import Trained
    >>> Trained(model=None, seconds=1.5, images=64).images
    64
    """

    model: keras.Model
    seconds: float
    images: int


def build(settings, kind="glimpses", classes=10):
    """An untrained model.

    Args:
        settings: `Settings`.
        kind: `"glimpses"`; `"random_places"`, the same network that cannot
            choose; or `"cnn"`, a convolutional network with as many weights as
            `"glimpses"`, as nearly as whole filters allow.
        classes: how many.

    Returns:
        A `GlimpseClassifier`, or a model from images to logits.

    Raises:
        ValueError: for another kind.
    """
    check_choice("kind", kind, KINDS)
    if kind == "cnn":
        weights = build(settings, "glimpses", classes).count_params()
        return _cnn(settings, _filters(weights, classes), classes)
    places = UniformLocations if kind == "random_places" else GaussianLocations
    options = {"std": settings.std} if kind == "glimpses" else {}
    glimpses = GlimpseRNN(
        layers.LSTMCell(settings.units),
        steps=settings.steps,
        retina=Retina(settings.retina_size, settings.scales, settings.growth),
        network=GlimpseNetwork(settings.units, settings.hidden),
        policy=places(seed=settings.seed, **options),
    )
    chooses = kind == "glimpses"
    samples = settings.samples if chooses else 1
    factor = settings.factor if chooses else 0.0
    model = GlimpseClassifier(glimpses, classes, samples=samples, factor=factor)
    model.build((None, settings.image_size, settings.image_size, 1))
    return model


def _cnn(settings, filters, classes):
    """Convolutions, each pair of sides halved, then the largest of every feature anywhere."""

    def convolution(filters):
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


def _filters(weights, classes):
    """With how many filters in the first layer the convolutional network has so many weights."""

    def count(n):
        kernels = 9 * (n + n * n + 2 * n * n + 4 * n * n + 8 * n * n) + 4 * n * classes
        return kernels + (n + n + 2 * n + 2 * n + 4 * n) + classes

    return min(range(1, 200), key=lambda n: abs(count(n) - weights))


def multiply_adds(model, image_shape):
    """How many multiplications, each with an addition, the model spends on an image.

    Counted are the products of matrices and the convolutions, and of a
    `GlimpseClassifier` the retina as it is computed here, by dense products
    over all rows and columns; to gather the few pixels that matter would cost
    next to nothing.

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


def train(folder, splits, settings=Settings(), kind="glimpses"):  # noqa: B008 (immutable)
    """Trains a model and saves it as `KIND.keras` in `folder`.

    Every epoch places the digits anew. The digits of `"train"` alone are used,
    and all settings are the same for every kind, the time too.

    Args:
        folder: where to keep the model.
        splits: as `load_digits` returns them.
        settings: `Settings`.
        kind: as in `build`.

    Returns:
        `Trained`.
    """
    keras.utils.set_random_seed(settings.seed)
    model = build(settings, kind)
    batches = _Batches(splits["train"], settings, model)
    budget = AnnealToBudget(
        settings.learning_rate, settings.epochs * len(batches), 60 * settings.minutes
    )
    optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
    if kind == "cnn":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
    else:
        model.compile(optimizer)
    model.fit(
        batches,
        epochs=settings.epochs,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[budget, *([_Narrow(budget, settings)] if kind == "glimpses" else [])],
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished_{kind}.keras"
    model.save(unfinished)
    os.replace(unfinished, folder / f"{kind}.keras")
    images = int(optimizer.iterations) * settings.batch_size
    return Trained(model, budget.spent, images)


def evaluate(model, digits, settings=Settings(), batch_size=256):  # noqa: B008 (immutable)
    """How often a model is right about digits it has not seen, placed `settings.tests` times.

    Args:
        model: as `build` returns them.
        digits: `Digits`, such as those of the split `"test"`.
        settings: `Settings`.
        batch_size: images at once.

    Returns:
        A dictionary: `"accuracy"`; and of a network with glimpses lists with a
        number after each glimpse: `"accuracy_after"`, and `"found_after"`, the
        share of the images in which the middle of the digit was in the sharp
        patch of a glimpse by then.
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


def compare(folder, splits, settings=Settings(), kinds=KINDS):  # noqa: B008 (immutable)
    """Trains every kind with the same settings, measures it, and writes `report.json`.

    Args:
        folder: where the models and the report go.
        splits: as `load_digits` returns them.
        settings: `Settings`.
        kinds: of `build`.

    Returns:
        The report, a dictionary.
    """
    folder = Path(folder)
    report = {"test_images": settings.tests * len(splits["test"].labels)}
    for kind in kinds:
        print(f"Training {kind} ...", flush=True)
        model, seconds, images = train(folder, splits, settings, kind)
        report[kind] = {
            **evaluate(model, splits["test"], settings),
            "dev_accuracy": evaluate(model, splits["dev"], settings)["accuracy"],
            "parameters": model.count_params(),
            "multiply_adds": multiply_adds(model, (settings.image_size, settings.image_size, 1)),
            "train_seconds": round(seconds, 1),
            "train_images": images,
        }
    report["settings"] = settings._asdict()
    unfinished = folder / "unfinished.json"
    unfinished.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    os.replace(unfinished, folder / "report.json")
    return report


class _Narrow(keras.callbacks.Callback):
    """Lets the places vary less and less, in equal ratios, over the first two thirds."""

    def __init__(self, budget, settings):
        super().__init__()
        self.budget, self.settings = budget, settings

    def on_epoch_begin(self, epoch, logs=None):
        progress = max(
            epoch / self.settings.epochs, self.budget.spent / (60 * self.settings.minutes)
        )
        first, last = self.settings.std, self.settings.last_std
        std = first * (last / first) ** min(1.0, 1.5 * progress)
        self.model.glimpses.policy.std.assign(std)


class _Batches(PlacedDigitBatches):
    """As the model wants them: several rows of one image, where it compares samples."""

    def __init__(self, digits, settings, model):
        self.samples = getattr(model, "samples", 1)
        super().__init__(
            digits,
            batch_size=settings.batch_size,
            size=settings.image_size,
            pieces=settings.pieces,
            copies=settings.copies,
            seed=settings.seed,
        )

    def __getitem__(self, index):
        images, labels = super().__getitem__(index)
        return np.repeat(images, self.samples, axis=0), np.repeat(labels, self.samples)
