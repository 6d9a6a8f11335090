"""A training in a folder goes on after any of its files was damaged."""

import itertools
import json
import shutil
from typing import NamedTuple

import keras
import numpy as np
import pytest

from keras_attention.callbacks import DivergedError
from keras_attention.recipes import training_run
from tests.support.damage import DAMAGES
from tests.support.tables import one_in

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.usefixtures("deterministic")

IDS = np.random.default_rng(0).integers(1, 9, (24, 5))
DATA = "digest"


class Settings(NamedTuple):
    epochs: int = 4
    learning_rate: float = 0.05
    label_smoothing: float = 0.0
    # So many that the steps alone set the learning rate.
    minutes: float = 1e6


class Interrupt(training_run.TrainingBackup):
    """Ends a training in its third epoch, once."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 8:
            raise KeyboardInterrupt


def make_model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(9, 4), keras.layers.Dropout(0.3), keras.layers.Dense(9)]
    return keras.Sequential([keras.Input((5,), dtype="int32"), *layers])


def train(folder, settings=Settings(), scale=1.0):  # noqa: B008 (a tuple)
    """As a recipe does it; returns the weights."""
    done = training_run.finished(folder, settings, DATA)
    if done is None:
        model = make_model()
        model.layers[-1].kernel.assign(scale * model.layers[-1].kernel)
        data = tf.data.Dataset.from_tensor_slices((IDS, (IDS + 1) % 9)).batch(8)
        done = training_run.fit(folder, model, data, data, settings, patience=9, data=DATA)
    return done.model.get_weights()


@pytest.fixture(scope="module")
def folders(tmp_path_factory, deterministic):
    """An interrupted training, the same finished, and its weights."""
    interrupted, finished = (tmp_path_factory.mktemp(name) for name in ("two", "four"))
    weights = train(finished)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_run, "TrainingBackup", Interrupt)
        train(interrupted)
    return interrupted, finished, weights


def check_that_it_ends_well(folder, weights, aside):
    found = train(folder)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, weights, strict=True))
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(["model.keras", "training.json", *aside])
    # Whatever happened, it is finished now.
    train(folder)


@pytest.mark.parametrize(
    "file, damage",
    [
        *one_in(3, itertools.product(["epoch-2.npz", "epoch-1.npz", "best.npz"], DAMAGES)),
        ("*", "cut"),
    ],
)
def test_an_interrupted_training_with_a_damaged_file_goes_on(
    folders, tmp_path, capsys, file, damage
):
    interrupted, _, weights = folders
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    names = sorted(path.name for path in (tmp_path / "backup").iterdir())
    assert names == ["best.npz", "epoch-1.npz", "epoch-2.npz"]
    damaged = list((tmp_path / "backup").glob(file))
    for path in damaged:
        DAMAGES[damage](path)
    check_that_it_ends_well(tmp_path, weights, [])
    shown = capsys.readouterr().out
    # The backup before the latest is looked at only without the latest.
    read = [path for path in damaged if path.name != "epoch-1.npz" or len(damaged) > 1]
    assert shown.count("cannot be used") == (0 if damage == "missing" else len(read))
    epoch = {"epoch-2.npz": 1, "*": 0}.get(file, 2)
    assert (f"Going on after epoch {epoch} " in shown) == (epoch > 0)


@pytest.mark.parametrize("damage", one_in(2, DAMAGES))
@pytest.mark.parametrize("file", ["training.json", "model.keras"])
def test_a_finished_training_with_a_damaged_file_is_trained_again(
    folders, tmp_path, capsys, file, damage
):
    _, finished, weights = folders
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    DAMAGES[damage](tmp_path / file)
    aside = [] if damage == "missing" else [f"{file}.unreadable"]
    check_that_it_ends_well(tmp_path, weights, aside)
    assert capsys.readouterr().out.count("The model is trained again.") == len(aside)


@pytest.mark.parametrize("content", ["null", "5", "[]", "{}", '{"settings": 1, "seconds": 1}'])
def test_a_note_that_says_nothing_of_a_training_is_none(tmp_path, capsys, content):
    (tmp_path / "training.json").write_text(content)
    assert training_run.finished(tmp_path, Settings()) is None
    assert "no note of a training" in capsys.readouterr().out


def test_a_training_that_was_interrupted_before_its_note_is_not_trained_further(
    tmp_path, monkeypatch, folders
):
    def interrupted(*given):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_run, "write_json", interrupted)
        train(tmp_path)
    assert not (tmp_path / "training.json").exists()
    epochs = []
    monkeypatch.setattr(
        training_run.StopOnNaN, "on_epoch_end", lambda self, epoch, logs: epochs.append(epoch)
    )
    check_that_it_ends_well(tmp_path, folders[2], [])
    assert epochs == [] and json.loads((tmp_path / "training.json").read_text())["steps"] == 12


def test_a_training_that_diverges_is_not_finished_and_keeps_its_last_good_weights(
    tmp_path, monkeypatch
):
    class Spoil(training_run.AnnealToBudget):
        def on_train_batch_begin(self, batch, logs=None):
            super().on_train_batch_begin(batch, logs)
            if int(self.model.optimizer.iterations) == 7:
                self.model.layers[-1].bias.assign(np.full(9, np.nan))

    monkeypatch.setattr(training_run, "AnnealToBudget", Spoil)
    # In every repetition.
    for _ in range(2):
        with pytest.raises(DivergedError, match=r"in step 2 of epoch 3\..*The last good"):
            train(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "backup",
            "last_good_model.keras",
        ]
    backups = sorted(path.name for path in (tmp_path / "backup").iterdir())
    assert backups == ["best.npz", "epoch-1.npz", "epoch-2.npz"]
    model = keras.saving.load_model(tmp_path / "last_good_model.keras")
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert int(model.optimizer.iterations) == 6
    # Without the cause, or with another learning rate, it ends well.
    monkeypatch.undo()
    train(tmp_path, Settings(learning_rate=0.01))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "training.json"]


def test_a_training_that_diverges_in_its_first_epoch_has_no_good_weights(tmp_path):
    with pytest.raises(DivergedError, match=r"in step 1 of epoch 1\. The weights"):
        train(tmp_path, scale=np.nan)
    assert [path.name for path in tmp_path.rglob("*")] == []
