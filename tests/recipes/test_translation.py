"""The recipe learns, resumes, and measures; the command trains both models and reports."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_attention.datasets import Pair
from keras_attention.generation import BeamSearch, generate
from keras_attention.recipes import command, training_run, translation

pytest.importorskip("sacrebleu")

EXPORT = Path(__file__).parents[2] / "export"

# Word by word, and therefore soon learnt.
WORDS = {"red": "rouge", "big": "grand", "old": "vieux", "cat": "chat", "dog": "chien"}
RNG = np.random.default_rng(0)
SOURCES = [" ".join(RNG.choice(list(WORDS), RNG.integers(2, 5))) for _ in range(220)]
PAIRS = [Pair(source, " ".join(map(WORDS.get, source.split()))) for source in SOURCES]
SPLITS = {"train": PAIRS[:180], "dev": PAIRS[180:200], "test": PAIRS[200:]}
SETTINGS = translation.Settings(
    pieces=60,
    units=32,
    embedding_dim=32,
    dropout=0.0,
    label_smoothing=0.0,
    batch_size=16,
    epochs=16,
    learning_rate=0.02,
    minutes=5,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translation")
    return folder, translation.Translation().train(folder, SPLITS, SETTINGS)


def test_training_learns_and_leaves_a_model_that_is_loaded_as_it_was(trained, capsys):
    folder, (model, seconds, steps) = trained
    quality = translation.evaluate(model, SPLITS["test"])
    assert quality.bleu > 60
    assert quality.bleu_signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version")
    assert sorted(path.name for path in folder.iterdir()) == ["model.keras", "training.json"]
    again = translation.Translation().train(folder, SPLITS, SETTINGS)
    assert "is finished" in capsys.readouterr().out
    assert again[1:] == (seconds, steps)
    assert translation.evaluate(again.model, SPLITS["test"]) == quality


def test_decoding_with_a_search_gives_its_best_hypotheses(trained):
    model = trained[1].model
    texts = [pair.source for pair in SPLITS["test"][:5]] + ["", "xyz ☃"]
    greedy = generate(model, texts)
    for batch_size in (2, 16):
        beam = generate(model, texts, BeamSearch(num_beams=3), batch_size=batch_size)
        assert [found.source_tokens for found in beam] == [g.source_tokens for g in greedy]
        assert all(b.score >= g.score - 1e-4 for b, g in zip(beam, greedy))
        assert beam[0].attention.shape == (len(beam[0].tokens), len(beam[0].source_tokens))
    assert greedy[0].text == model.target_vocabulary.join(greedy[0].tokens)


@pytest.mark.parametrize("attention", ["none", "additive"])
def test_other_attentions(attention):
    model = translation.build(PAIRS[:20], SETTINGS._replace(attention=attention, tied_logits=False))
    ids = {"source": np.array([[4, 5, 6, 0]]), "target": np.array([[1, 4]])}
    weights = np.asarray(model(ids, return_attention_scores=True)[1])
    assert np.allclose(weights.sum(-1), 1) and not weights[..., 3].any()
    assert np.allclose(weights[..., :3], 1 / 3) == (attention == "none")
    again = type(model).from_config(model.get_config())
    assert again.source_vocabulary == model.source_vocabulary


@pytest.mark.slow
def test_a_transformer_is_compared_with_the_recurrent_model(trained, tmp_path):
    settings = translation.Settings(model="transformer", learning_rate=0.005, pieces=60)
    first, second = translation.Translation().variants(settings).items()
    assert (first[0], second[0]) == ("model", "recurrent")
    chosen = settings._replace(**first[1].changes)
    assert (chosen.num_decoder_layers, chosen.warmup, chosen.learning_rate) == (2, 0.1, 0.005)
    assert settings._replace(**second[1].changes) == translation.Settings(pieces=60)
    assert list(translation.Translation(baseline=False).variants(settings)) == ["model"]
    small = SETTINGS._replace(
        model="transformer", num_heads=2, epochs=22, warmup=0.2, learning_rate=0.01
    )
    recipe = translation.Translation()
    models = {"model": recipe.train(tmp_path, SPLITS, small), "recurrent": trained[1]}
    report = recipe.measure(models, SPLITS, small, tmp_path).report
    # It is 42 to 67, since threads add in any order; of an untrained model 0.
    assert report["bleu_beam"] > 25 and report["seconds_per_sentence_beam"] > 0
    assert {"bleu_recurrent", "chrf_recurrent", "recurrent_seconds_per_sentence"} <= set(report)


@pytest.mark.slow  # test_g2p resumes through the same code
def test_an_interrupted_training_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    settings = SETTINGS._replace(epochs=3)
    epochs = []

    class Interrupt(training_run.TrainingBackup):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)
            if epochs == [0, 1]:
                raise KeyboardInterrupt

    def noting(*args, epoch, **options):
        # Whatever epoch the data believes to be in when one begins.
        noted = None if epoch is None else lambda: done.append(epoch()) or done[-1]
        return batches(*args, epoch=noted, **options)

    batches, done = translation.teacher_forcing_batches, []
    monkeypatch.setattr(translation, "teacher_forcing_batches", noting)
    monkeypatch.setattr(training_run, "TrainingBackup", Interrupt)
    with pytest.raises(KeyboardInterrupt):
        translation.Translation().train(tmp_path, SPLITS, settings)
    resumed = translation.Translation().train(tmp_path, SPLITS, settings)
    assert epochs == [0, 1, 1, 2]
    assert "Going on" in capsys.readouterr().out
    assert resumed.steps % 3 == 0
    # The interrupted epoch had asked for no data yet.
    assert done == [0, 1, 2]


def test_settings_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="attention: expected"):
        translation.build(PAIRS, SETTINGS._replace(attention="flash"))
    with pytest.raises(ValueError, match="splits: expected pairs"):
        translation.Translation().train(tmp_path, SPLITS | {"dev": []}, SETTINGS)


@pytest.mark.slow
def test_the_command_trains_both_models_and_reports(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{s}\t{t}\n" for s, t in PAIRS), "utf-8")
    options = ["--pairs", file, "--no-export", "--pieces", 60, "--units", 16]
    options += ["--embedding-dim", 16, "--epochs", 1]
    given = (tmp_path / "out", *options)
    command.main(translation.Translation, "", given, script=EXPORT / "train_translation.py")
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert {"bleu_greedy", "bleu_beam", "bleu_no_attention", "chrf_beam"} <= set(report)
    assert report["steps"] == report["no_attention_steps"] > 0
    assert report["test_sentences"] > 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.keras", "translations.tsv", "without_attention"} <= names
    log = (tmp_path / "out" / "without_attention" / "log.txt").read_text("utf-8")
    assert "val_loss" in log
