"""`make demo`, on a dictionary so small that it runs in seconds."""

import json
import sys
from pathlib import Path

import pytest

from keras_attention.datasets import Entry
from keras_attention.recipes import g2p

sys.path.insert(0, str(Path(__file__).parents[1] / "export"))
import demo

WORDS = ["abcabcab", "bacbacba", "cabcabca", "abababab", "acacacac", "bcbcbcbc", "aabbccaa"]
ENTRIES = [Entry(word, (tuple(word.upper()),)) for word in WORDS]
SETTINGS = g2p.Settings(units=16, embedding_dim=8, batch_size=4, epochs=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build") / "demo"
    splits = {"train": ENTRIES, "dev": ENTRIES[:3], "test": ENTRIES[3:]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_cmudict", lambda: splits)
        demo.main([str(folder)], SETTINGS)
    return folder


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
