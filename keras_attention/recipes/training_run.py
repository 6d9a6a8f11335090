"""Training in a folder: saved after every epoch, resumed, and recognised when finished."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras

from keras_attention._core.loading import load_model
from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config
from keras_attention.callbacks import AnnealToBudget, KeepBest
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
    did not exist as their defaults.

    Args:
        folder: where `fit` was called.
        settings: a named tuple of numbers and strings.
        data: as in `fit`. A finished training that has no digest of its data matches any.

    Returns:
        `Trained`, or None.
    """
    folder = Path(folder)
    note = _read(folder / "training.json")
    if note is None or not (folder / "model.keras").exists():
        return None
    noted = present_names("EncoderDecoder", note["settings"])
    same_settings = settings._field_defaults | noted == settings._asdict()
    if not same_settings or note.get("data") not in (None, data):
        return None
    print(f"The training in {folder} is finished.")
    model = load_model(folder / "model.keras")
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
) -> Trained:
    """Trains a model that writes sequences, and saves it as `model.keras` in `folder`.

    The state of the training is saved in `folder/backup` after every epoch.
    Called again after an interruption with the same settings, training resumes
    from there.

    Args:
        folder: where to keep the backup and the model.
        model: an untrained model that returns logits.
        batches: a `tf.data.Dataset` of `(inputs, labels)` to train on.
        validation: likewise, for the loss on held-out data.
        settings: with `learning_rate`, `label_smoothing`, `epochs` and `minutes`.
        patience: the number of epochs without a better loss on `validation`
            after which training stops. The weights that were best on
            `validation` are kept. None trains to the end and keeps the last.
        data: a digest that tells the data of one training from another's, or
            None. A training on other data is not resumed.
        warmup: the fraction of the budget in which the learning rate rises.

    Returns:
        `Trained`.
    """
    folder = Path(folder)
    # AnnealToBudget sets the learning rate at every step.
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0),
        SequenceCrossentropy(settings.label_smoothing),
        metrics=[TokenAccuracy()],
        # XLA compiles again for every new length, which costs more than it saves.
        jit_compile=False,
    )
    backup = folder / "backup"
    made_of = settings._asdict() | ({} if data is None else {"data": data})
    _discard_other_backup(backup, made_of)
    budget = AnnealToBudget(
        settings.learning_rate,
        steps=settings.epochs * int(batches.cardinality()),
        seconds=60 * settings.minutes,
        warmup=warmup,
        record=backup / "seconds.json",
    )
    callbacks: list[keras.callbacks.Callback] = [
        budget,
        keras.callbacks.BackupAndRestore(str(backup / "state")),
    ]
    best = None
    if patience is not None:
        best = KeepBest(backup / "best", patience=patience)
        callbacks.insert(1, best)
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


def epochs_done(model: keras.Model, batches: Any) -> int:
    """The number of epochs a model was trained, including those before an interruption."""
    return int(model.optimizer.iterations) // int(batches.cardinality())


def save_whole(model: keras.Model, path: Path) -> None:
    """Saves a model so that an interruption leaves no incomplete file at `path`."""
    unfinished = path.with_name("unfinished_" + path.name)
    model.save(unfinished)
    os.replace(unfinished, path)


def write_json(path: Path, content: Config) -> None:
    """Writes JSON so that an interruption leaves no incomplete file at `path`."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    os.replace(unfinished, path)


def _discard_other_backup(backup: Path, made_of: Config) -> None:
    """Removes a backup that was made with other settings and cannot be resumed."""
    note = backup / "settings.json"
    if backup.exists():
        if _read(note) == made_of:
            print(f"Going on with the interrupted training in {backup}.")
            return
        shutil.rmtree(backup)
    backup.mkdir(parents=True)
    write_json(note, made_of)


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else None
