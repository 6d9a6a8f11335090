"""The recipe learns, resumes, and measures word and phoneme errors."""

import keras
import pytest

from keras_attention.datasets import Entry
from keras_attention.recipes import g2p, training_run

# Every letter is said by its own phoneme: a few steps suffice to begin to learn it.
WORDS = ["ab", "ba", "abc", "cab", "bca", "acb", "cc", "bb", "aa", "cba", "bac", "ca"]
ENTRIES = [Entry(word, (tuple(word.upper()),)) for word in WORDS]
SPLITS = {"train": ENTRIES * 6, "dev": ENTRIES[:4], "test": ENTRIES[4:]}
SETTINGS = g2p.Settings(
    units=32, embedding_dim=8, dropout=0.0, batch_size=4, epochs=6, learning_rate=0.02, minutes=5
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("g2p")
    return folder, g2p.Pronunciation().train(folder, SPLITS, SETTINGS)


def test_training_learns_and_leaves_the_model_and_a_note_of_it(trained):
    folder, (model, seconds, _) = trained
    assert sorted(path.name for path in folder.iterdir()) == ["model.keras", "training.json"]
    assert seconds > 0
    rates = g2p.evaluate(model, ENTRIES)
    assert rates.items < 0.5
    loaded = keras.models.load_model(folder / "model.keras")
    assert g2p.evaluate(loaded, ENTRIES) == rates


@pytest.mark.slow
def test_an_interrupted_training_goes_on_with_the_words_of_the_next_epoch(
    tmp_path, monkeypatch, capsys
):
    settings = SETTINGS._replace(epochs=4)
    epochs, orders = [], []

    class Interrupt(training_run.TrainingBackup):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)
            if epochs == [0, 1]:
                raise KeyboardInterrupt

    def noting(*given, epoch, **options):
        noted = None if epoch is None else lambda: orders.append(epoch()) or orders[-1]
        return batches(*given, epoch=noted, **options)

    batches = g2p.teacher_forcing_batches
    monkeypatch.setattr(g2p, "teacher_forcing_batches", noting)
    monkeypatch.setattr(training_run, "TrainingBackup", Interrupt)
    with pytest.raises(KeyboardInterrupt):
        g2p.Pronunciation().train(tmp_path, SPLITS, settings)
    assert "Going on" not in capsys.readouterr().out
    resumed = g2p.Pronunciation().train(tmp_path, SPLITS, settings)
    assert epochs == [0, 1, 1, 2, 3] and orders == [0, 1, 2, 3]
    assert "Going on" in capsys.readouterr().out
    assert resumed.steps % 4 == 0 and resumed.steps > 0
    assert not (tmp_path / "backup").exists()


def test_a_finished_training_on_other_words_is_not_taken_for_this_one(trained, monkeypatch):
    folder, (_, seconds, steps) = trained
    assert g2p.Pronunciation().train(folder, SPLITS, SETTINGS)[1:] == (seconds, steps)
    monkeypatch.setattr("keras_attention.recipes.recipe.fit", lambda *given: "trained anew")
    other = SPLITS | {"train": ENTRIES}
    assert g2p.Pronunciation().train(folder, other, SETTINGS) == "trained anew"
