"""A training whose loss is NaN or infinite ends at once and keeps the last good weights."""

import keras
import numpy as np
import pytest

from keras_attention.callbacks import DivergedError, KeepBest, StopOnNaN, TrainingBackup

STEPS = 5


def small_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25, momentum=0.9), "mse")
    return model


class Batches(keras.utils.PyDataset):
    """Batches of ones, and one of them with another number."""

    def __init__(self, epoch, step, value):
        super().__init__()
        self.where, self.value = (epoch, step), value
        # Keras ends an epoch that was not trained on, before the first.
        self.epoch = -1

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        x = np.ones((2, 2), "float32")
        if (self.epoch, index) == self.where:
            x *= self.value
        return x, np.zeros((2, 1), "float32")

    def on_epoch_end(self):
        self.epoch += 1


class Note(keras.callbacks.Callback):
    """Notes the weights after every epoch, the steps, and whether the training ended."""

    def __init__(self):
        super().__init__()
        self.weights, self.steps, self.ended = [], 0, False

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights()[0])

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1

    def on_train_end(self, logs=None):
        self.ended = True


def diverge(batches, *callbacks, **options):
    model, note = small_model(), Note()
    with pytest.raises(DivergedError) as caught:
        given = [StopOnNaN(), note, *callbacks]
        model.fit(batches, epochs=4, shuffle=False, verbose=0, callbacks=given, **options)
    return model, note, caught.value


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("epoch, step", [(1, 2), (0, 0), (2, STEPS - 1)])
def test_training_ends_at_the_step_with_the_weights_of_the_epoch_before(epoch, step, value):
    model, note, error = diverge(Batches(epoch, step, value))
    assert (error.epoch, error.step) == (epoch + 1, step + 1)
    assert f"in step {step + 1} of epoch {epoch + 1}" in str(error)
    assert "learning rate (it was 0.25)" in str(error) and "global_clipnorm" in str(error)
    assert note.steps == epoch * STEPS + step + 1 and not note.ended
    assert len(note.weights) == epoch
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    if epoch:
        np.testing.assert_array_equal(model.get_weights()[0], note.weights[-1])
        assert f"The weights are those after epoch {epoch}." in str(error)
    else:
        assert "before the first step" in str(error)
    # The optimizer is that of the weights.
    assert int(model.optimizer.iterations) == epoch * STEPS
    assert not np.isnan(np.concatenate([np.ravel(v) for v in model.optimizer.variables])).any()


def test_a_loss_on_validation_data_counts_too():
    x, y = np.full((2, 2), np.nan, "float32"), np.zeros((2, 1), "float32")
    _, note, error = diverge(Batches(9, 0, 1), validation_data=(x, y))
    assert (error.epoch, error.step) == (1, None)
    assert str(error).startswith("val_loss: expected finite numbers, received nan after epoch 1.")
    assert note.steps == STEPS


def test_weights_that_the_last_step_spoils_count_too():
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == STEPS - 1:
                self.model.layers[0].bias.assign([np.inf])

    model, _, error = diverge(Batches(9, 0, 1), Spoil())
    assert str(error).startswith("weights: expected finite numbers")
    assert np.isfinite(model.get_weights()[1])


def test_the_best_and_the_backup_stay_those_of_the_good_epochs(tmp_path):
    x, y = np.ones((2, 2), "float32"), np.zeros((2, 1), "float32")
    best, backup = KeepBest(tmp_path, patience=9), TrainingBackup(tmp_path)
    diverge(Batches(2, 3, np.nan), best, backup, validation_data=(x, y))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.npz", "epoch-1.npz", "epoch-2.npz"]
    assert np.isfinite(best.best)


def test_without_restoring_nothing_is_copied():
    model = small_model()
    callback = StopOnNaN(restore=False)
    with pytest.raises(DivergedError, match=r"in step 3 of epoch 1\. Try a smaller"):
        model.fit(Batches(0, 2, np.nan), shuffle=False, verbose=0, callbacks=[callback])
    assert np.isnan(model.get_weights()[0]).any()


def test_a_good_training_is_as_without():
    results = []
    for callbacks in ([], [StopOnNaN()]):
        keras.utils.set_random_seed(0)
        model = small_model()
        model.fit(Batches(9, 0, 1), epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        results.append(model.get_weights()[0])
    np.testing.assert_array_equal(*results)
