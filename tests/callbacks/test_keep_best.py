"""The best epoch of a training is kept, also over an interruption."""

import keras
import numpy as np
import pytest

from keras_attention.callbacks import KeepBest
from tests.support.damage import DAMAGES


def small_model(units=1):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


class Falling(keras.callbacks.Callback):
    """Sets the validation loss of every epoch."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.values[epoch]


def fit_and_keep(folder, values, first=0):
    model, best, weights = small_model(), KeepBest(folder, patience=2), []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()[0].copy())
    )
    x, y = np.ones((8, 2), "float32"), np.full((8, 1), 9, "float32")
    callbacks = [Falling(values), note, best]
    model.fit(x, y, epochs=9, initial_epoch=first, verbose=0, callbacks=callbacks)
    best.restore()
    return model.get_weights()[0], weights


def test_the_best_epoch_is_kept_and_training_stops_when_none_is_better(tmp_path):
    best, weights = fit_and_keep(tmp_path, [5, 3, 4, 2, 3, 2, 1, 1, 1])
    assert len(weights) == 6
    np.testing.assert_array_equal(best, weights[3])


def test_the_best_epoch_before_an_interruption_counts(tmp_path):
    before, _ = fit_and_keep(tmp_path, [5, 1, 4, 4])
    best, weights = fit_and_keep(tmp_path, [9, 9, 3, 4, 5, 6], first=2)
    assert len(weights) == 2
    np.testing.assert_array_equal(best, before)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_not_finite_is_never_the_best(tmp_path, value):
    best, weights = fit_and_keep(tmp_path, [value, 5, value, 6])
    assert len(weights) == 4
    np.testing.assert_array_equal(best, weights[1])
    nothing, weights = fit_and_keep(tmp_path / "other", [value] * 9)
    assert len(weights) == 3 and not (tmp_path / "other").exists()
    np.testing.assert_array_equal(nothing, weights[-1])


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_best_epoch_that_can_be_read_the_next_is_the_best(tmp_path, capsys, damage):
    fit_and_keep(tmp_path, [1, 5, 4])
    DAMAGES[damage](tmp_path / "best.npz")
    best, weights = fit_and_keep(tmp_path, [9, 9, 7, 8, 9, 6], first=2)
    assert len(weights) == 3
    np.testing.assert_array_equal(best, weights[0])
    kept = [path.name for path in tmp_path.glob("*.unreadable")]
    shown = capsys.readouterr().out
    assert kept == ([] if damage == "missing" else ["best.npz.unreadable"])
    assert len(shown.splitlines()) == len(kept)
    assert damage == "missing" or "The best epoch before is lost." in shown


def test_best_weights_that_are_damaged_leave_those_of_the_last_epoch(tmp_path, capsys):
    model, best = small_model(), KeepBest(tmp_path)
    best.set_model(model)
    best.on_epoch_end(0, {"val_loss": 1.0})
    DAMAGES["cut"](best.path)
    last = model.get_weights()[0]
    best.restore()
    np.testing.assert_array_equal(model.get_weights()[0], last)
    assert "The model keeps the weights of the last epoch." in capsys.readouterr().out


def test_the_best_epoch_of_another_training_does_not_count(tmp_path, capsys):
    for description, expected in (({"units": 1}, 1.0), ({"units": 1}, 1.0), ({"units": 2}, None)):
        best = KeepBest(tmp_path, description=description)
        best.set_model(small_model())
        best.on_train_begin()
        if best.best is None and expected is not None:
            best.on_epoch_end(0, {"val_loss": 1.0})
        assert best.best == expected
    assert "It is of another training." in capsys.readouterr().out


def test_a_patience_of_nothing_is_refused():
    with pytest.raises(ValueError, match="patience: expected a positive integer"):
        KeepBest("folder", patience=0)


def test_a_monitor_that_is_not_logged_is_refused(tmp_path):
    with pytest.raises(ValueError, match="monitor: expected one of 'loss', received 'val_los'"):
        x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
        small_model().fit(x, y, verbose=0, callbacks=[KeepBest(tmp_path, monitor="val_los")])
