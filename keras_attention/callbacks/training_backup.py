"""Training that is resumed after an interruption, with the same weights as without one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras

from keras_attention._core.files import set_aside
from keras_attention._core.snapshots import (
    Snapshot,
    as_json,
    assign,
    read_snapshot,
    state_of,
    weights_are_finite,
    write_snapshot,
)
from keras_attention._core.types import Config, Logs


@runtime_checkable
class Resumable(Protocol):
    """A callback whose own state a `TrainingBackup` keeps, such as `AnnealToBudget`.

    Example:

    >>> from keras_attention.callbacks import AnnealToBudget, Resumable
    >>> isinstance(AnnealToBudget(peak=0.1, steps=10), Resumable)
    True
    """

    def get_state(self) -> Config:
        """The state at the end of an epoch, which JSON can hold."""

    def set_state(self, state: Config) -> None:
        """Goes on from a state that `get_state` returned."""


class TrainingBackup(keras.callbacks.Callback):
    """Saves the state of a training after every epoch, and resumes an interrupted one.

    A training that was interrupted, however it was, goes on after its last
    whole epoch when `fit` is called again with the same model, data and
    callbacks. Its weights are then those of a training without interruption,
    bit by bit: beside the weights, the backup holds the variables of the
    optimizer (moments, steps, loss scale), and the state of every
    `keras.random.SeedGenerator` of the model, from which dropout and noise are
    drawn. `keras.callbacks.BackupAndRestore` leaves the seed generators out.

    The files are `epoch-N.npz`, N being the number of epochs done. Each is
    written whole or not at all, the one before the latest is kept, and both are
    removed when the training ends. A file that is damaged, or of another model
    or description, is renamed to `epoch-N.npz.unreadable`, with a message; then
    the training goes on from the file before, or from the start. Weights that
    are NaN or infinite are not saved.

    What is needed for equal weights besides:

    - Put this callback last, since it saves what the others did at the end of
      the epoch. List those with a state of their own in `callbacks`.
    - The data of an epoch depend on its number alone, as those of
      `teacher_forcing_batches(epoch=...)`. What `fit(shuffle=True)` shuffles has
      another order after an interruption.
    - Operations that give equal results at all, see
      `tf.config.experimental.enable_op_determinism`.

    Args:
        folder: where to keep the files. Each training has its own.
        callbacks: `Resumable` callbacks of the same training, whose state is
            saved too.
        description: what the training is made of, such as its settings and a
            digest of its data; JSON must hold it. A backup with another
            description is not resumed.
        delete: whether to remove the files when the training ends. Otherwise
            `fit` of a training that ended trains no further.

    Attributes:
        epoch: the number of epochs that were done when `fit` began.

    Raises:
        TypeError: for a callback that is not `Resumable`, and a description
            that JSON cannot hold.

    Example:

    >>> import os, tempfile
    >>> import keras, numpy as np
    >>> from keras_attention.callbacks import TrainingBackup
    >>> def train(folder, epochs):
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("sgd", "mse")
    ...     backup = TrainingBackup(folder, delete=False)
    ...     x, y = np.ones((4, 2)), np.ones((4, 1))
    ...     model.fit(x, y, epochs=epochs, shuffle=False, verbose=0, callbacks=[backup])
    ...     return backup.epoch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train(folder, epochs=3), sorted(os.listdir(folder))
    (0, ['epoch-2.npz', 'epoch-3.npz'])
    """

    def __init__(
        self,
        folder: str | Path,
        callbacks: Sequence[Resumable] = (),
        description: Mapping[str, Any] | None = None,
        delete: bool = True,
    ) -> None:
        super().__init__()
        for callback in callbacks:
            if not isinstance(callback, Resumable):
                raise TypeError(
                    "callbacks: expected those with get_state and set_state, received "
                    f"{callback!r}."
                )
        self.folder, self.callbacks, self.delete = Path(folder), tuple(callbacks), delete
        self.description = as_json(description)
        self.epoch = 0
        self._last: Path | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch, self._last = 0, None
        for path in self._files():
            try:
                found = self._read(path)
            except ValueError as error:
                set_aside(path, error, "Training goes on from the one before it, or the start.")
                continue
            self._resume(found)
            self._last = path
            return

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not weights_are_finite(self.model):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch-{epoch + 1}.npz"
        note = {
            "epochs": epoch + 1,
            "stopped": bool(self.model.stop_training),
            "description": self.description,
            "callbacks": [callback.get_state() for callback in self.callbacks],
        }
        write_snapshot(path, self.model, note)
        for other in self._files():
            if other not in (path, self._last):
                other.unlink()
        self._last = path

    def on_train_end(self, logs: Logs | None = None) -> None:
        # Or the next call of `fit` would begin with this epoch.
        self.model._initial_epoch = None
        if self.delete:
            for path in self._files():
                path.unlink()

    def _files(self) -> list[Path]:
        """The backups, the latest first."""
        found = {}
        for path in self.folder.glob("epoch-*.npz"):
            if name := re.fullmatch(r"epoch-(\d+)\.npz", path.name):
                found[path] = int(name[1])
        return sorted(found, key=found.__getitem__, reverse=True)

    def _read(self, path: Path) -> Snapshot:
        if not self.model.built:
            raise RuntimeError(
                "model: expected one that is built, whose weights a backup can be read into, "
                f"received {self.model.name!r}, which is not; call it on a batch first."
            )
        found = read_snapshot(path, self.model)
        if found.note["description"] != self.description:
            raise ValueError("It is of another training.")
        if len(found.note["callbacks"]) != len(self.callbacks):
            raise ValueError("It is of a training with other callbacks.")
        return found

    def _resume(self, found: Snapshot) -> None:
        assign(state_of(self.model), found.values)
        for callback, state in zip(self.callbacks, found.note["callbacks"], strict=True):
            callback.set_state(state)
        self.epoch = found.note["epochs"]
        # A callback that stopped the training would not stop it again before the next epoch.
        begin = self.params["epochs"] if found.note["stopped"] else self.epoch
        # What `fit` reads after this, and what Keras' own callback sets.
        self.model._initial_epoch = begin
        print(f"Going on after epoch {self.epoch} with the interrupted training in {self.folder}.")
