"""`make demo`, on a dictionary so small that it runs in seconds."""

import json

import pytest

from keras_attention.datasets import Entry
from keras_attention.recipes import g2p, recipe
from keras_attention.recipes.demo import Demo

WORDS = ["abcabcab", "bacbacba", "cabcabca", "abababab", "acacacac", "bcbcbcbc", "aabbccaa"]
ENTRIES = [Entry(word, (tuple(word.upper()),)) for word in WORDS]
SPLITS = {"train": ENTRIES, "dev": ENTRIES[:3], "test": ENTRIES[3:]}
SETTINGS = g2p.Settings(units=16, embedding_dim=8, batch_size=4, epochs=2)
EXPORTED = {"max_abs_difference": 1e-6}


def test_words_are_shown_drawn_and_summed_up(tmp_path, monkeypatch, capsys):
    exported = []

    def export(model, artifacts, search, folder, figures):
        exported.append((search.max_length, folder))
        return dict.fromkeys(artifacts, EXPORTED)

    # The artifacts themselves are what the tests of export are about.
    monkeypatch.setattr(recipe, "_export", export)
    report = recipe.run(Demo(), tmp_path, SETTINGS, data=SPLITS)
    assert exported == [(48, tmp_path)]
    names = ["alignment-1.png", "model.keras", "report.json", "training.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert "held-out word   the model says" in capsys.readouterr().out
    summary = Demo().summary(report, tmp_path)
    assert "On 4 words it has never seen, the model gets" in summary
    assert "differ from it by 1.0e-06 at most" in summary and "onnx" in summary.splitlines()[-1]
    without = recipe.run(Demo(), tmp_path, SETTINGS, data=SPLITS, export=False)
    assert "differ" not in Demo().summary(without, tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build") / "demo"
    recipe.run(Demo(), folder, SETTINGS, data=SPLITS)
    return folder


@pytest.mark.slow
def test_the_demo_leaves_everything_that_it_promises(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "alignment-1.png",
        "model.keras",
        "onnx",
        "report.json",
        "saved_model_ids",
        "saved_model_text",
        "training.json",
    ]
    assert (folder / "saved_model_ids" / "1" / "saved_model.pb").is_file()
    assert (folder / "saved_model_text" / "1" / "saved_model.pb").is_file()
    assert (folder / "onnx" / "greedy.onnx").is_file()


@pytest.mark.slow
def test_the_report_has_every_figure(folder):
    report = json.loads((folder / "report.json").read_text("utf-8"))
    for name in ("train_seconds", "total_seconds", "parameters", "test_words"):
        assert report[name] > 0
    for name in ("dev_wer", "dev_per", "test_wer", "test_per"):
        assert report[name] >= 0
    for name in ("saved_model", "saved_model_text", "onnx"):
        assert report[name]["ids_equal"] is True
        assert report[name]["max_abs_difference"] <= 1e-4
    assert report["saved_model"]["signatures"]
    assert report["onnx"]["graphs"] == ["encoder", "step", "greedy", "beam"]
