"""Attention that looks back, and that sorts, is exported with its state inside the loop."""

import keras
import onnx
import pytest
import tensorflow as tf

from keras_attention import Attention, MultiHeadAttention, normalizers, scores, windows
from keras_attention.export import export_model
from keras_attention.export.signatures import ids_signatures
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
        (lambda: Attention(scores.GaussianMixture(2), "exponential"), ["attention_score"]),
    ],
)
@pytest.mark.slow
def test_onnx(attention, state, tmp_path, monkeypatch):
    # Its own state is gathered by the beam; greedy decoding shows nothing more.
    graphs = {"step": "step", "beam": "beam"}
    monkeypatch.setattr("keras_attention.export.onnx.OnnxWriter.graphs", graphs)
    report = export_model(model_with(attention()), tmp_path / "model", search=SEARCH, format="onnx")
    assert report["ids_equal"]
    step = onnx.load(tmp_path / "model" / "step.onnx")
    names = {tensor.name for tensor in step.graph.input}
    assert {f"decoder_{name}" for name in state} <= names


@pytest.mark.parametrize(
    "attention",
    [
        lambda: Attention(scores.Biaffine(), normalizers.Monotonic("exact", test_mode="hard")),
        lambda: Attention(scores.GaussianMixture(2)),
    ],
    ids=["monotonic", "gmm"],
)
@pytest.mark.slow
def test_saved_model(attention, tmp_path, only_signatures):
    only_signatures("encode", "step", "beam")
    report = export_model(model_with(attention()), tmp_path / "model", search=SEARCH)
    assert report["ids_equal"]


@pytest.fixture(scope="module")
def graphs():
    """`step` and `score` as a SavedModel has them, and the state of two sources."""
    signatures = ids_signatures(model_with(Attention(scores.Dot())))
    functions = {
        name: tf.function(signatures[name], autograph=False).get_concrete_function(
            **signatures[name].inputs
        )
        for name in ("step", "score")
    }
    state = signatures["encode"](tokens=tf.constant([[4, 5, 6], [7, 8, 0]]))
    return functions, state


def test_a_step_of_batches_of_different_sizes_is_refused(graphs):
    """A batch of 1 would be broadcast against one of 2, and answer for the wrong source."""
    functions, state = graphs
    token = tf.constant([1, 1])
    assert functions["step"](token=token, **state)["logits"].shape[0] == 2
    ones = {name: tensor[:1] for name, tensor in state.items()}
    memory = {name: tensor for name, tensor in state.items() if name.startswith("memory")}
    assert memory and set(memory) != set(state)
    for inputs in (
        {"token": token, **ones},
        {"token": token[:1], **state},
        {"token": token, **ones, **memory},
        {"token": token, **state, **{name: ones[name] for name in memory}},
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="step: expected the same batch"):
            functions["step"](**inputs)


def test_a_score_of_batches_of_different_sizes_is_refused(graphs):
    functions, _ = graphs
    tokens, targets = tf.constant([[4, 5, 6], [7, 8, 0]]), tf.constant([[4, 2], [5, 2]])
    assert functions["score"](tokens=tokens, targets=targets)["scores"].shape == (2,)
    for inputs in (
        {"tokens": tokens[:1], "targets": targets},
        {"tokens": tokens, "targets": targets[:1]},
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="score: expected the same batch"):
            functions["score"](**inputs)
