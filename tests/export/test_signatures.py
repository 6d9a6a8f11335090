"""Attention that looks back, and that sorts, is exported with its state inside the loop."""

import keras
import onnx
import pytest

from keras_attention import Attention, MultiHeadAttention, normalizers, scores, windows
from keras_attention.export import export_model
from keras_attention.models import EncoderDecoder
from tests.support.exporting import SEARCH


def model_with(attention):
    keras.utils.set_random_seed(7)
    model = EncoderDecoder(11, 9, units=8, embedding_dim=6, attention=attention)
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


@pytest.mark.parametrize(
    ("attention", "state"),
    [
        (
            lambda: Attention(
                scores.CumulativeLocation(8, filters=2, kernel_size=3),
                "entmax15",
                windows.LocalPredictive(2),
            ),
            ["attention_score_0", "attention_score_1"],
        ),
        (
            lambda: MultiHeadAttention(
                2, 4, score="coverage", normalizer="sparsemax", window=windows.LocalMonotonic(2)
            ),
            ["attention_score", "attention_window"],
        ),
    ],
)
def test_onnx(attention, state, tmp_path, monkeypatch):
    # Its own state is gathered by the beam; greedy decoding shows nothing more.
    graphs = {"step": "step", "beam": "beam"}
    monkeypatch.setattr("keras_attention.export.onnx.OnnxWriter.graphs", graphs)
    report = export_model(model_with(attention()), tmp_path / "model", search=SEARCH, format="onnx")
    assert report["ids_equal"]
    step = onnx.load(tmp_path / "model" / "step.onnx")
    names = {tensor.name for tensor in step.graph.input}
    assert {f"decoder_{name}" for name in state} <= names


def test_saved_model(tmp_path, only_signatures):
    only_signatures("encode", "step", "beam")
    attention = Attention(scores.Biaffine(), normalizers.Monotonic("exact", test_mode="hard"))
    model = model_with(attention)
    report = export_model(model, tmp_path / "model", search=SEARCH)
    assert report["ids_equal"]
