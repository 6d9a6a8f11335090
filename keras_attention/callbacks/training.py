"""Callbacks that set a number at every step: the learning rate, and the sampling probability."""

from __future__ import annotations

import math
import time

import keras

from keras_attention._core.checks import check_positive, check_positive_number, check_rate
from keras_attention._core.types import Config, Logs


class AnnealToBudget(keras.callbacks.Callback):
    """Anneals the learning rate over a budget of steps or of time, and then stops training.

    Progress p is the fraction of the steps or of the time that is used,
    whichever is larger. The rate rises linearly over the first `warmup` of p and
    then falls along a cosine to 0 at p = 1, where training stops. A slow
    machine runs fewer steps, and still anneals to 0. A `TrainingBackup` keeps
    the time that was used before an interruption.

        rate = peak * min(p / warmup, (1 + cos(pi * p)) / 2)

    Source of the cosine: Loshchilov and Hutter, "SGDR: Stochastic Gradient
    Descent with Warm Restarts", 2017.

    Args:
        peak: the highest learning rate.
        steps: the largest number of training steps.
        seconds: the largest number of seconds, or None.
        warmup: the fraction of the budget in which the rate rises, below 1.

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
    ) -> None:
        super().__init__()
        self.peak = check_positive_number("peak", peak)
        self.steps = check_positive("steps", steps)
        self.seconds = None if seconds is None else check_positive_number("seconds", seconds)
        self.warmup = check_rate("warmup", warmup)
        self.spent = self._before = self._start = 0.0

    def rate(self, progress: float) -> float:
        """The learning rate at a progress from 0 to 1."""
        rising = progress / self.warmup if self.warmup else 1.0
        return self.peak * min(rising, (1 + math.cos(math.pi * progress)) / 2)

    def get_state(self) -> Config:
        """The seconds used, for a `TrainingBackup`."""
        return {"seconds": self.spent}

    def set_state(self, state: Config) -> None:
        """Goes on counting from the seconds that `get_state` returned."""
        self.spent = self._before = float(state["seconds"])

    def on_train_begin(self, logs: Logs | None = None) -> None:
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

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.spent = self._before + time.monotonic() - self._start


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
