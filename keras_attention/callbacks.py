"""What a long training needs beyond `fit`: a budget of time, and resuming."""

import json
import math
import os
import time
from pathlib import Path

import keras

from keras_attention._core.checks import check_positive_number


class AnnealToBudget(keras.callbacks.Callback):
    """Anneals the learning rate so that training ends well within its budget.

    Progress p is the share of the steps or of the time that is used up,
    whichever is more. The rate rises linearly over the first `warmup` of p and
    then falls as half a cosine to 0 at p = 1, where training stops: on a slow
    machine it takes fewer steps, not more time, and still anneals to the end.

        rate = peak * min(p / warmup, (1 + cos(pi * p)) / 2)

    Source of the cosine: Loshchilov and Hutter, "SGDR: Stochastic Gradient
    Descent with Warm Restarts", 2017.

    Args:
        peak: the highest learning rate.
        steps: how many training steps at most.
        seconds: how many seconds at most, or None.
        warmup: the share of the budget in which the rate rises.
        record: a file in which the seconds spent are kept at every epoch's end,
            so that a resumed training goes on counting; removed at the end.

    Example:

    >>> from keras_attention.callbacks import AnnealToBudget
    >>> budget = AnnealToBudget(peak=0.002, steps=100)
    >>> budget.rate(0.0), round(budget.rate(0.5), 6), budget.rate(1.0)
    (0.0, 0.001, 0.0)
    """

    def __init__(self, peak, steps, seconds=None, warmup=0.02, record=None):
        super().__init__()
        self.peak, self.steps, self.seconds, self.warmup = peak, steps, seconds, warmup
        self.record = None if record is None else Path(record)
        self.spent = 0.0

    def rate(self, progress):
        """The learning rate at a progress from 0 to 1."""
        rising = progress / self.warmup if self.warmup else 1.0
        return self.peak * min(rising, (1 + math.cos(math.pi * progress)) / 2)

    def on_train_begin(self, logs=None):
        if self.record is not None and self.record.exists():
            self.spent = json.loads(self.record.read_text("utf-8"))["seconds"]
        self._before = self.spent
        self._start = time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        # One more than are done, or the very first step would have the rate 0.
        step = int(self.model.optimizer.iterations) + 1
        self.spent = self._before + time.monotonic() - self._start
        progress = step / self.steps
        if self.seconds is not None:
            progress = max(progress, self.spent / self.seconds)
        self.model.optimizer.learning_rate.assign(self.rate(min(progress, 1.0)))
        if progress >= 1.0:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.spent = self._before + time.monotonic() - self._start
        if self.record is not None:
            self.record.parent.mkdir(parents=True, exist_ok=True)
            self.record.write_text(json.dumps({"seconds": self.spent}), "utf-8")

    def on_train_end(self, logs=None):
        self.spent = self._before + time.monotonic() - self._start
        if self.record is not None:
            self.record.unlink(missing_ok=True)


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in a file, and stops when none is better for long.

    Unlike `keras.callbacks.EarlyStopping` it knows the best epoch again after
    an interruption, since both the weights and their value are in files.

    Args:
        folder: where the weights and their value are kept.
        monitor: what is best when lowest, such as `"val_loss"`.
        patience: after how many epochs without a better value training stops.

    Example:

    >>> from keras_attention.callbacks import KeepBest
    >>> KeepBest("backup/best", patience=3).best is None
    True
    """

    def __init__(self, folder, monitor="val_loss", patience=3):
        super().__init__()
        self.folder, self.monitor, self.patience = Path(folder), monitor, patience
        self.best = self.epoch = None

    @property
    def _note(self):
        return self.folder / "best.json"

    def on_train_begin(self, logs=None):
        if self._note.exists():
            note = json.loads(self._note.read_text("utf-8"))
            self.best, self.epoch = note["value"], note["epoch"]

    def on_epoch_end(self, epoch, logs=None):
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

    def restore(self):
        """Gives the model the weights of the best epoch."""
        weights = self.folder / "best.weights.h5"
        if weights.exists():
            self.model.load_weights(weights)


class InverseSigmoidDecay(keras.callbacks.Callback):
    """Takes the true inputs away little by little: the callback of a scheduled sampling.

    Before step i the probability of a replacement becomes

        probability_i = 1 - k / (k + exp(i / k))

    Source: Bengio et al., 2015.

    Args:
        probability: the variable to set, such as the `sampling_probability` of
            an `EncoderDecoder`.
        k: how slowly, above 1; half of the inputs are replaced from step
            `k ln k` on.

    Raises:
        ValueError: for a k that is not above 0.

    Example:

    >>> import keras
    >>> from keras_attention.callbacks import InverseSigmoidDecay
    >>> decay = InverseSigmoidDecay(keras.Variable(0.0), k=100)
    >>> [round(decay.at(step), 3) for step in (0, 460, 1000)]
    [0.01, 0.499, 0.995]
    """

    def __init__(self, probability, k):
        super().__init__()
        check_positive_number("k", k)
        self.probability, self.k = probability, k

    def at(self, step):
        """The probability before a step."""
        return 1 / (1 + self.k * math.exp(-step / self.k))

    def on_train_batch_begin(self, batch, logs=None):
        self.probability.assign(self.at(int(self.model.optimizer.iterations)))
