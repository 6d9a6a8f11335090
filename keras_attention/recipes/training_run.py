"""A training in a folder: kept after every epoch, gone on with, and known again when finished."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import keras

from keras_attention.callbacks import AnnealToBudget, KeepBest
from keras_attention.losses import SequenceCrossentropy
from keras_attention.metrics import TokenAccuracy


class Trained(NamedTuple):
    """A trained model, the seconds that its training took, interruptions left out, and its steps.

    Example:

    >>> from keras_attention.recipes.training_run import Trained
    >>> Trained(model=None, seconds=1.5, steps=3).seconds
    1.5
    """

    model: keras.Model
    seconds: float
    steps: int


def finished(folder, settings, data=None):
    """The model that was trained in `folder` with the same settings, or None.

    Args:
        folder: where `fit` was called.
        settings: a named tuple of numbers and strings.
        data: as in `fit`; a model of which it was not noted fits any.

    Returns:
        `Trained`, or None.
    """
    folder = Path(folder)
    note = _read(folder / "training.json")
    if note is None or not (folder / "model.keras").exists():
        return None
    if note["settings"] != settings._asdict() or note.get("data") not in (None, data):
        return None
    print(f"The training in {folder} is finished.")
    model = keras.saving.load_model(folder / "model.keras")
    return Trained(model, note["seconds"], note["steps"])


def fit(folder, model, batches, validation, settings, patience=None, data=None):
    """Trains a model that writes sequences, and saves it as `model.keras` in `folder`.

    The state of the training is kept in `folder/backup` after every epoch.
    Called again after an interruption, with the same settings, it goes on from
    there.

    Args:
        folder: where to keep the backup and the model.
        model: gives logits; untrained.
        batches, validation: of `tf.data`, `(inputs, labels)`.
        settings: with `learning_rate`, `label_smoothing`, `epochs` and
            `minutes`.
        patience: after how many epochs without a better loss on `validation`
            training stops, and the best weights are taken; None always trains
            to the end and takes the last.
        data: what tells one training's data from another's, such as a digest:
            a string, or None. With other data nothing is gone on with.

    Returns:
        `Trained`.
    """
    folder = Path(folder)
    # The rate is set step by step by AnnealToBudget.
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0),
        SequenceCrossentropy(settings.label_smoothing),
        metrics=[TokenAccuracy()],
        # XLA compiles every new length again, which costs more than it gives here.
        jit_compile=False,
    )
    backup = folder / "backup"
    made_of = settings._asdict() | ({} if data is None else {"data": data})
    _discard_other_backup(backup, made_of)
    budget = AnnealToBudget(
        settings.learning_rate,
        steps=settings.epochs * int(batches.cardinality()),
        seconds=60 * settings.minutes,
        record=backup / "seconds.json",
    )
    callbacks = [budget, keras.callbacks.BackupAndRestore(str(backup / "state"))]
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
    unfinished = folder / "unfinished.keras"
    model.save(unfinished)
    os.replace(unfinished, folder / "model.keras")
    note = {"settings": settings._asdict(), "seconds": budget.spent, "steps": steps}
    _write(folder / "training.json", note | ({} if data is None else {"data": data}))
    shutil.rmtree(backup, ignore_errors=True)
    return Trained(model, budget.spent, steps)


def epochs_done(model, batches):
    """How many epochs a model was trained, also before an interruption."""
    return int(model.optimizer.iterations) // int(batches.cardinality())


def _discard_other_backup(backup, made_of):
    """A backup made with other settings cannot be gone on with."""
    note = backup / "settings.json"
    if backup.exists():
        if _read(note) == made_of:
            print(f"Going on with the interrupted training in {backup}.")
            return
        shutil.rmtree(backup)
    backup.mkdir(parents=True)
    _write(note, made_of)


def _write(path, content):
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    os.replace(unfinished, path)


def _read(path):
    return json.loads(path.read_text("utf-8")) if path.exists() else None
