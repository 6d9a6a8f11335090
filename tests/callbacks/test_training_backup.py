"""A resumed training has the weights of one that was not interrupted, bit by bit."""

import keras
import numpy as np
import pytest

from keras_attention._core.snapshots import state_of, values_of
from keras_attention.callbacks import AnnealToBudget, TrainingBackup
from tests.support.damage import DAMAGES
from tests.support.tables import one_in

pytestmark = pytest.mark.usefixtures("deterministic")

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = X[:, :1] * X[:, 1:2]
EPOCHS, STEPS = 4, 6


class Noisy(keras.layers.Layer):
    """A layer of one's own with a seed generator in a list, as a part of a layer may have it."""

    def __init__(self, seed=None, **options):
        super().__init__(**options)
        self.seeds = [keras.random.SeedGenerator(seed)]

    def call(self, inputs):
        noise = keras.random.normal(keras.ops.shape(inputs), seed=self.seeds[0])
        return inputs + 0.1 * noise


def make_model(seed, rate=None):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, "tanh", kernel_initializer=keras.initializers.GlorotUniform(0)),
            keras.layers.Dropout(0.5, seed=seed),
            Noisy(seed),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(1)),
        ]
    )
    rate = rate or keras.optimizers.schedules.CosineDecay(0.05, EPOCHS * STEPS)
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=False)
    return model


class Interrupt(keras.callbacks.Callback):
    """Ends a training in the middle of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 3):
            raise KeyboardInterrupt


def train(seed, *callbacks, epochs=EPOCHS, rate=None):
    model = make_model(seed, rate)
    options = {"batch_size": 4, "shuffle": False, "verbose": 0}
    history = model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **options)
    return model, history.history.get("loss", [])


def interrupt(folder, **options):
    with pytest.raises(KeyboardInterrupt):
        train(7, Interrupt(), TrainingBackup(folder, **options))


def equal_bits(one, other):
    values = [values_of(state_of(model)) for model in (one, other)]
    return [a.tobytes() == b.tobytes() for a, b in zip(*values, strict=True)]


@pytest.fixture(scope="module")
def uninterrupted(deterministic):
    return train(7)


def test_a_resumed_training_ends_with_the_same_bits(tmp_path, uninterrupted, capsys):
    interrupt(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-1.npz", "epoch-2.npz"]
    # The seeds of another process may be others.
    backup = TrainingBackup(tmp_path)
    model, losses = train(8, backup)
    assert backup.epoch == 2 and len(losses) == 2
    assert losses == uninterrupted[1][2:]
    assert all(equal_bits(model, uninterrupted[0]))
    assert list(tmp_path.iterdir()) == []
    assert "Going on after epoch 2 with the interrupted training" in capsys.readouterr().out
    # The next call of `fit` is a training of its own.
    assert len(model.fit(X, Y, epochs=1, verbose=0).history["loss"]) == 1


def test_without_the_seeds_the_weights_would_be_others(tmp_path, uninterrupted):
    """What `keras.callbacks.BackupAndRestore` gives: this test fails if Keras saves seeds too."""
    with pytest.raises(KeyboardInterrupt):
        train(7, Interrupt(), keras.callbacks.BackupAndRestore(str(tmp_path)))
    model, losses = train(7, keras.callbacks.BackupAndRestore(str(tmp_path)))
    assert len(losses) == 2 and not all(equal_bits(model, uninterrupted[0]))


@pytest.mark.parametrize("damage", one_in(4, DAMAGES))
def test_without_the_latest_backup_training_goes_on_from_the_one_before(
    tmp_path, uninterrupted, capsys, damage
):
    interrupt(tmp_path)
    DAMAGES[damage](tmp_path / "epoch-2.npz")
    backup = TrainingBackup(tmp_path)
    model, _ = train(8, backup)
    assert backup.epoch == 1 and all(equal_bits(model, uninterrupted[0]))
    shown = capsys.readouterr().out.splitlines()
    aside = [] if damage == "missing" else ["epoch-2.npz.unreadable"]
    assert [path.name for path in tmp_path.iterdir()] == aside
    assert len(shown) == 1 + len(aside)


@pytest.mark.parametrize("damage", one_in(4, DAMAGES))
def test_without_any_backup_training_goes_on_from_the_start(tmp_path, uninterrupted, damage):
    interrupt(tmp_path)
    for number in (1, 2):
        DAMAGES[damage](tmp_path / f"epoch-{number}.npz")
    backup = TrainingBackup(tmp_path)
    model, losses = train(7, backup)
    assert backup.epoch == 0 and losses == uninterrupted[1]
    assert all(equal_bits(model, uninterrupted[0]))


@pytest.mark.parametrize(
    "options", [{"description": {"rate": 0.2}}, {"callbacks": [AnnealToBudget(0.1, 10)]}]
)
def test_a_backup_of_another_training_is_kept_aside(tmp_path, capsys, options):
    interrupt(tmp_path, description={"rate": 0.1})
    backup = TrainingBackup(tmp_path, **{"description": {"rate": 0.1}, **options})
    train(7, backup, epochs=1)
    assert backup.epoch == 0
    names = ["epoch-1.npz.unreadable", "epoch-2.npz.unreadable"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert capsys.readouterr().out.count("cannot be used: It is of a") == 2


def test_other_callbacks_go_on_with_their_state(tmp_path):
    budget = AnnealToBudget(0.1, 1000, seconds=1000)
    budget.set_state({"seconds": 100.0})
    train(7, budget, TrainingBackup(tmp_path, [budget], delete=False), epochs=1, rate=0.1)
    again = AnnealToBudget(0.1, 1000, seconds=1000)
    train(7, again, TrainingBackup(tmp_path, [again]), epochs=2, rate=0.1)
    assert again.spent > budget.spent > 100


def test_a_training_that_a_callback_stopped_is_not_trained_further(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    stopped, _ = train(7, Stop(), TrainingBackup(tmp_path, delete=False))
    model, losses = train(8, Stop(), TrainingBackup(tmp_path, delete=False))
    assert losses == [] and all(equal_bits(model, stopped))


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                self.model.layers[0].bias.assign(np.full(8, np.nan))

    train(7, Spoil(), TrainingBackup(tmp_path, delete=False))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-1.npz", "epoch-2.npz"]


def test_what_cannot_be_resumed_is_refused(tmp_path):
    with pytest.raises(TypeError, match="callbacks: expected those with get_state and set_state"):
        TrainingBackup(tmp_path, [keras.callbacks.History()])
    with pytest.raises(TypeError, match="JSON"):
        TrainingBackup(tmp_path, description={"model": object()})
    interrupt(tmp_path)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="model: expected one that is built"):
        model.fit(X, Y, verbose=0, callbacks=[TrainingBackup(tmp_path)])
