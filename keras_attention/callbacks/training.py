"""Callbacks for long training runs: a budget of time, the best epoch, and scheduled sampling."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import TypeAlias

import keras

from keras_attention._core.checks import check_positive, check_positive_number, check_rate

Logs: TypeAlias = dict[str, float]


class AnnealToBudget(keras.callbacks.Callback):
    """Anneals the learning rate over a budget of steps or of time, and then stops training.

    Progress p is the fraction of the steps or of the time that is used,
    whichever is larger. The rate rises linearly over the first `warmup` of p and
    then falls along a cosine to 0 at p = 1, where training stops. A slow
    machine runs fewer steps, and still anneals to 0.

        rate = peak * min(p / warmup, (1 + cos(pi * p)) / 2)

    Source of the cosine: Loshchilov and Hutter, "SGDR: Stochastic Gradient
    Descent with Warm Restarts", 2017.

    Args:
        peak: the highest learning rate.
        steps: the largest number of training steps.
        seconds: the largest number of seconds, or None.
        warmup: the fraction of the budget in which the rate rises, below 1.
        record: a file that keeps the seconds used, written after every epoch, so
            that resumed training continues to count; removed at the end.

    Raises:
        ValueError: for numbers that are not positive, and a `warmup` outside of
            [0, 1).

    Example:

    >>> from keras_attention.callbacks import AnnealToBudget
    >>> budget = AnnealToBudget(peak=0.002, steps=100)
    >>> budget.rate(0.0), round(budget.rate(0.5), 6), budget.rate(1.0)
    (0.0, 0.001, 0.0)
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        seconds: float | None = None,
        warmup: float = 0.02,
        record: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.peak = check_positive_number("peak", peak)
        self.steps = check_positive("steps", steps)
        self.seconds = None if seconds is None else check_positive_number("seconds", seconds)
        self.warmup = check_rate("warmup", warmup)
        self.record = None if record is None else Path(record)
        self.spent = self._before = self._start = 0.0

    def rate(self, progress: float) -> float:
        """The learning rate at a progress from 0 to 1."""
        rising = progress / self.warmup if self.warmup else 1.0
        return self.peak * min(rising, (1 + math.cos(math.pi * progress)) / 2)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.record is not None and self.record.exists():
            self.spent = json.loads(self.record.read_text("utf-8"))["seconds"]
        self._before = self.spent
        self._start = time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        # Counted from 1, or the very first step would have the rate 0.
        step = int(self.model.optimizer.iterations) + 1
        self.spent = self._before + time.monotonic() - self._start
        progress = step / self.steps
        if self.seconds is not None:
            progress = max(progress, self.spent / self.seconds)
        self.model.optimizer.learning_rate.assign(self.rate(min(progress, 1.0)))
        if progress >= 1.0:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.spent = self._before + time.monotonic() - self._start
        if self.record is not None:
            self.record.parent.mkdir(parents=True, exist_ok=True)
            self.record.write_text(json.dumps({"seconds": self.spent}), "utf-8")

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.spent = self._before + time.monotonic() - self._start
        if self.record is not None:
            self.record.unlink(missing_ok=True)


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in a file, and stops training without improvement.

    Unlike `keras.callbacks.EarlyStopping` it remembers the best epoch after an
    interruption, since both the weights and their value are in files.

    Args:
        folder: for the weights and their value.
        monitor: the log to minimize, such as `"val_loss"`.
        patience: the number of epochs without improvement after which training
            stops.

    Raises:
        ValueError: for a patience that is not a positive integer, and during
            training if `monitor` is not among the logs.

    Example:

    >>> from keras_attention.callbacks import KeepBest
    >>> KeepBest("backup/best", patience=3).best is None
    True
    """

    def __init__(self, folder: str | Path, monitor: str = "val_loss", patience: int = 3) -> None:
        super().__init__()
        self.folder, self.monitor = Path(folder), monitor
        self.patience = check_positive("patience", patience)
        self.best: float | None = None
        self.epoch = 0

    @property
    def _note(self) -> Path:
        return self.folder / "best.json"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self._note.exists():
            note = json.loads(self._note.read_text("utf-8"))
            self.best, self.epoch = note["value"], note["epoch"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(
                f"monitor: expected one of {', '.join(map(repr, logs))}, received {self.monitor!r}."
            )
        value = float(logs[self.monitor])
        if self.best is None or value < self.best:
            self.best, self.epoch = value, epoch
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self.folder / "unfinished.weights.h5"
            self.model.save_weights(unfinished)
            os.replace(unfinished, self.folder / "best.weights.h5")
            self._note.write_text(json.dumps({"value": value, "epoch": epoch}), "utf-8")
        elif epoch - self.epoch >= self.patience:
            self.model.stop_training = True

    def restore(self) -> None:
        """Loads the weights of the best epoch into the model."""
        weights = self.folder / "best.weights.h5"
        if weights.exists():
            self.model.load_weights(weights)


class InverseSigmoidDecay(keras.callbacks.Callback):
    """The schedule of scheduled sampling: raises the sampling probability in every step.

    Before step i the probability of replacing an input becomes

        probability_i = 1 - k / (k + exp(i / k))

    Source: Bengio et al., "Scheduled Sampling for Sequence Prediction with
    Recurrent Neural Networks", 2015.

    Args:
        probability: the variable to set, such as `sampling_probability` of an
            `EncoderDecoder`.
        k: the larger, the slower; the probability is one half at step `k ln k`.

    Raises:
        ValueError: for a k that is not above 0.

    Example:

    >>> import keras
    >>> from keras_attention.callbacks import InverseSigmoidDecay
    >>> decay = InverseSigmoidDecay(keras.Variable(0.0), k=100)
    >>> [round(decay.at(step), 3) for step in (0, 460, 1000)]
    [0.01, 0.499, 0.995]
    """

    def __init__(self, probability: keras.Variable, k: float) -> None:
        super().__init__()
        self.probability, self.k = probability, check_positive_number("k", k)

    def at(self, step: int) -> float:
        """The probability before a step."""
        return 1 / (1 + self.k * math.exp(-step / self.k))

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.probability.assign(self.at(int(self.model.optimizer.iterations)))
