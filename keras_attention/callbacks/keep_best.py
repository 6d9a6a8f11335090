"""The best epoch of a training, on the disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_attention._core.checks import check_positive
from keras_attention._core.files import set_aside
from keras_attention._core.snapshots import (
    Snapshot,
    as_json,
    assign,
    read_snapshot,
    state_of,
    write_snapshot,
)
from keras_attention._core.types import Logs


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in a file, and stops training without improvement.

    Unlike `keras.callbacks.EarlyStopping` it remembers the best epoch after an
    interruption, since weights and value are in a file, `best.npz`. The file
    is written whole or not at all. One that cannot be read is renamed to
    `best.npz.unreadable`, with a message; then the next epoch is the best. An
    epoch whose value is NaN or infinite is never the best.

    Args:
        folder: for the file.
        monitor: the log to minimize, such as `"val_loss"`.
        patience: the number of epochs without improvement after which training
            stops.
        description: as in `TrainingBackup`: the best epoch of a training that
            is described differently does not count.

    Raises:
        ValueError: for a patience that is not a positive integer, and during
            training if `monitor` is not among the logs.

    Example:

    >>> from keras_attention.callbacks import KeepBest
    >>> KeepBest("backup", patience=3).best is None
    True
    """

    def __init__(
        self,
        folder: str | Path,
        monitor: str = "val_loss",
        patience: int = 3,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.path, self.monitor = Path(folder) / "best.npz", monitor
        self.patience = check_positive("patience", patience)
        self.description = as_json(description)
        self.best: float | None = None
        self.epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        before = self._read("The best epoch before is lost.")
        if before is not None:
            self.best, self.epoch = before.note["value"], before.note["epoch"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(
                f"monitor: expected one of {', '.join(map(repr, logs))}, received {self.monitor!r}."
            )
        value = float(logs[self.monitor])
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best, self.epoch = value, epoch
            self.path.parent.mkdir(parents=True, exist_ok=True)
            note = {"value": value, "epoch": epoch, "description": self.description}
            write_snapshot(self.path, self.model, note)
        elif epoch - self.epoch >= self.patience:
            self.model.stop_training = True

    def restore(self) -> None:
        """Sets the model to its state after the best epoch; without one it stays as it is."""
        best = self._read("The model keeps the weights of the last epoch.")
        if best is not None:
            assign(state_of(self.model), best.values)

    def _read(self, without: str) -> Snapshot | None:
        if not self.path.exists():
            return None
        try:
            found = read_snapshot(self.path, self.model)
            if found.note["description"] != self.description:
                raise ValueError("It is of another training.")
        except ValueError as error:
            set_aside(self.path, error, without)
            return None
        return found
