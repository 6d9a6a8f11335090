"""Training in a folder: saved after every epoch, resumed, and recognised when finished."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras

from keras_attention._core.files import replacing, set_aside, write_json
from keras_attention._core.loading import load_model
from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config
from keras_attention.callbacks import (
    AnnealToBudget,
    DivergedError,
    KeepBest,
    StopOnNaN,
    TrainingBackup,
)
from keras_attention.losses import SequenceCrossentropy
from keras_attention.metrics import TokenAccuracy


class TrainingSettings(Protocol):
    """What `fit` reads from the settings of a recipe, which are a named tuple."""

    @property
    def label_smoothing(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def minutes(self) -> float: ...

    @property
    def _field_defaults(self) -> Config: ...

    def _asdict(self) -> Config: ...


class Objective(NamedTuple):
    """What a training minimizes, and what is shown beside it.

    Example:

    >>> import keras
    >>> from keras_attention.recipes.training_run import Objective
    >>> Objective(keras.losses.BinaryCrossentropy()).metrics
    ()
    """

    loss: keras.losses.Loss
    metrics: Sequence[keras.metrics.Metric] = ()


class Trained(NamedTuple):
    """A trained model, the seconds spent training (without interruptions), and the steps.

    Example:

    >>> from keras_attention.recipes.training_run import Trained
    >>> Trained(model=None, seconds=1.5, steps=3).seconds
    1.5
    """

    model: keras.Model
    seconds: float
    steps: int


def finished(
    folder: str | Path, settings: TrainingSettings, data: str | None = None
) -> Trained | None:
    """The model that was trained in `folder` with the same settings, or None.

    Settings that had other names when the model was trained count as the same, and those that
    did not exist as their defaults. A file that cannot be read is set aside, with a message.

    Args:
        folder: where `fit` was called.
        settings: a named tuple of numbers and strings.
        data: as in `fit`. A finished training that has no digest of its data matches any.

    Returns:
        `Trained`, or None.
    """
    folder = Path(folder)
    note = _read_note(folder / "training.json")
    if note is None or not (folder / "model.keras").exists():
        return None
    noted = present_names("EncoderDecoder", note["settings"])
    same_settings = settings._field_defaults | noted == settings._asdict()
    if not same_settings or note.get("data") not in (None, data):
        return None
    try:
        model = load_model(folder / "model.keras")
    except ValueError as error:
        set_aside(folder / "model.keras", error, "The model is trained again.")
        return None
    print(f"The training in {folder} is finished.")
    return Trained(model, note["seconds"], note["steps"])


def fit(
    folder: str | Path,
    model: keras.Model,
    batches: Any,
    validation: Any,
    settings: TrainingSettings,
    patience: int | None = None,
    data: str | None = None,
    warmup: float = 0.02,
    objective: Objective | None = None,
) -> Trained:
    """Trains a model, and saves it as `model.keras` in `folder`.

    The state of the training is saved in `folder/backup` after every epoch, see
    `TrainingBackup`. Called again after an interruption with the same settings,
    training resumes from there; the weights are those of a training without
    interruption as long as the steps set the learning rate, not the time (see
    `AnnealToBudget`). A training whose loss becomes NaN
    or infinite ends with an error, and is not finished.

    Args:
        folder: where to keep the backup and the model.
        model: an untrained model.
        batches: a `tf.data.Dataset` of `(inputs, labels)` to train on.
        validation: likewise, for the loss on held-out data.
        settings: with `learning_rate`, `epochs` and `minutes`, and
            `label_smoothing` where there is no `objective`.
        patience: the number of epochs without a better loss on `validation`
            after which training stops. The weights that were best on
            `validation` are kept. None trains to the end and keeps the last.
        data: a digest that tells the data of one training from another's, or
            None. A training on other data is not resumed.
        warmup: the fraction of the budget in which the learning rate rises.
        objective: by default that of a model that writes sequences and returns
            logits, the cross-entropy per token.

    Returns:
        `Trained`.

    Raises:
        DivergedError: if the loss becomes NaN or infinite. The weights after
            the last good epoch are then in `last_good_model.keras`.
    """
    folder = Path(folder)
    if objective is None:
        loss = SequenceCrossentropy(settings.label_smoothing)
        objective = Objective(loss, (TokenAccuracy(),))
    # AnnealToBudget sets the learning rate at every step.
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0),
        objective.loss,
        metrics=list(objective.metrics),
        # XLA compiles again for every new length, which costs more than it saves.
        jit_compile=False,
    )
    backup = folder / "backup"
    description = settings._asdict() | ({} if data is None else {"data": data})
    budget = AnnealToBudget(
        settings.learning_rate,
        steps=settings.epochs * int(batches.cardinality()),
        seconds=60 * settings.minutes,
        warmup=warmup,
    )
    callbacks: list[keras.callbacks.Callback] = [StopOnNaN(), budget]
    best = None
    if patience is not None:
        best = KeepBest(backup, patience=patience, description=description)
        callbacks.append(best)
    # The files are needed until the model is saved.
    callbacks.append(TrainingBackup(backup, [budget], description, delete=False))
    with keeping_last_good(model, folder / "model.keras"):
        model.fit(
            batches,
            validation_data=validation,
            epochs=settings.epochs,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=callbacks,
        )
    steps = int(model.optimizer.iterations)
    if best is not None:
        best.restore()
    save_whole(model, folder / "model.keras")
    note = {"settings": settings._asdict(), "seconds": budget.spent, "steps": steps}
    write_json(folder / "training.json", note | ({} if data is None else {"data": data}))
    shutil.rmtree(backup, ignore_errors=True)
    return Trained(model, budget.spent, steps)


@contextlib.contextmanager
def keeping_last_good(model: keras.Model, path: Path) -> Iterator[None]:
    """Saves the weights that `StopOnNaN` restored when a training diverges, and says where.

    Args:
        model: the model that is trained.
        path: where it will be saved when its training ends well. The last good
            weights of one that diverges go to `last_good_NAME` beside it.
    """
    last_good = path.with_name(f"last_good_{path.name}")
    try:
        yield
    except DivergedError as error:
        if error.epoch == 1:
            raise
        save_whole(model, last_good)
        message = f"{error} The last good weights are in {last_good}."
        raise DivergedError(message, error.epoch, error.step) from None
    last_good.unlink(missing_ok=True)


def epochs_done(model: keras.Model, batches: Any) -> int:
    """The number of epochs a model was trained, including those before an interruption."""
    return int(model.optimizer.iterations) // int(batches.cardinality())


def save_whole(model: keras.Model, path: Path) -> None:
    """Saves a model so that an interruption leaves no incomplete file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        model.save(unfinished)


def _read_note(path: Path) -> Config | None:
    """What `fit` noted of a finished training, or None."""
    if not path.exists():
        return None
    try:
        note = json.loads(path.read_text("utf-8"))
        if not {"settings", "seconds", "steps"} <= set(note) or type(note["settings"]) is not dict:
            raise ValueError("expected settings, seconds and steps")
    except (ValueError, TypeError) as error:
        set_aside(path, f"It is no note of a training ({error}).", "The model is trained again.")
        return None
    return note
