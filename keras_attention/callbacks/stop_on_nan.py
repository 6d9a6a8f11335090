"""Training that ends at once when its loss is no number any more."""

from __future__ import annotations

import math
import threading

import keras

from keras_attention._core.snapshots import (
    Values,
    assign,
    state_of,
    values_of,
    weights_are_finite,
)
from keras_attention._core.types import Logs


class DivergedError(RuntimeError):
    """The loss or the weights of a training became NaN or infinite, see `StopOnNaN`.

    Attributes:
        epoch: the epoch in which they did, counted from 1.
        step: the step of the epoch, counted from 1, or None if it was seen at
            the end of the epoch.

    Example:

    >>> from keras_attention.callbacks import DivergedError
    >>> DivergedError("loss: expected finite numbers, received nan.", epoch=3, step=41).step
    41
    """

    def __init__(self, message: str, epoch: int, step: int | None = None) -> None:
        super().__init__(message)
        self.epoch, self.step = epoch, step


class StopOnNaN(keras.callbacks.Callback):
    """Ends a training whose loss becomes NaN or infinite, and restores the last good weights.

    `fit` ends with a `DivergedError`, which names the epoch and the step in
    which it began and what to try. The end of the training is not reached:
    callbacks that save or clean up there do not run, and a `TrainingBackup`
    keeps its files. The model, its optimizer included, is set to its state at
    the end of the last good epoch, or before the first.

    The loss of every step is read, which costs nothing: Keras reads it anyway
    for its progress bar. At the end of an epoch `val_loss` and the weights are
    looked at as well, and good weights are copied to the memory of the host.
    Put this callback before those that save.

    With `compile(steps_per_execution=...)` the step is the last one of the
    execution in which the loss became NaN.

    Args:
        monitor: the log that is read at every step; `val_` before it names the
            one that is read after an epoch.
        restore: whether to restore the last good weights. It takes a copy of
            all variables of model and optimizer.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.callbacks import DivergedError, StopOnNaN
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1e30), "mse")
    >>> x, y = np.ones((8, 1)), np.zeros((8, 1))
    >>> try:
    ...     model.fit(x, y, batch_size=1, verbose=0, callbacks=[StopOnNaN()])
    ... except DivergedError as error:
    ...     print(error.epoch, error.step)
    1 2
    """

    # Keras may read the logs in another thread, while the next step runs.
    async_safe = True

    def __init__(self, monitor: str = "loss", restore: bool = True) -> None:
        super().__init__()
        self.monitor, self.restore = monitor, restore
        self._lock = threading.Lock()
        self._epoch = 0
        self._began: tuple[int, float] | None = None
        self._good: Values = []
        self._good_epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._began, self._good = None, []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch
        # After `on_train_begin`, in which other callbacks may restore weights.
        if not self._good:
            self._keep(epoch)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        value = (logs or {}).get(self.monitor, 0.0)
        if not math.isfinite(value):
            with self._lock:
                self._began = min(self._began or (batch, value), (batch, value))

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._check()

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._check()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._check()
        name = f"val_{self.monitor}"
        value = (logs or {}).get(name, 0.0)
        if not math.isfinite(value):
            self._stop(name, value)
        if not weights_are_finite(self.model):
            self._stop("weights", math.nan)
        self._keep(epoch + 1)

    def _keep(self, epochs: int) -> None:
        if self.restore:
            self._good, self._good_epoch = values_of(state_of(self.model)), epochs

    def _check(self) -> None:
        """Ends the training if a step had no finite loss; in the thread of `fit` alone."""
        if self._began is not None:
            self._stop(self.monitor, self._began[1], self._began[0] + 1)

    def _stop(self, name: str, value: float, step: int | None = None) -> None:
        if keras.backend.backend() == "jax":
            # Until then the variables have no values, and would get those of the last step.
            self.model.jax_state_sync()
        epoch = self._epoch + 1
        where = f"in step {step} of epoch {epoch}" if step else f"after epoch {epoch}"
        rate = float(self.model.optimizer.learning_rate)
        kept = ""
        if self._good:
            assign(state_of(self.model), self._good)
            done = self._good_epoch
            kept = f" The weights are those after epoch {done}." if done else ""
            kept = kept or " The weights are those before the first step."
        raise DivergedError(
            f"{name}: expected finite numbers, received {value} {where}.{kept} Try a smaller "
            f"learning rate (it was {rate:.2g}), an optimizer with global_clipnorm=1.0, or "
            "float32 in place of float16.",
            epoch,
            step,
        )
