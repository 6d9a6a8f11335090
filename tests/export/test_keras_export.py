"""Keras' own `model.export` works on the models here and on functional models with our layers."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from keras_attention import vision
from keras_attention.export import keras_formats
from keras_attention.export.signatures import SERVED, ids_signatures
from keras_attention.generation import BeamSearch, Greedy
from keras_attention.layers import AttentionPooling
from keras_attention.models import GlimpseClassifier
from tests.support.empty_batches import empty_answer
from tests.support.exporting import padded_ids, speller

SEARCH = BeamSearch(num_beams=2, max_length=4)


@pytest.fixture(scope="module")
def model():
    return speller()


@pytest.fixture
def fewer(monkeypatch):
    """Signatures that are exported elsewhere are left out, because they take their time."""

    def few(*arguments, **options):
        signatures = ids_signatures(*arguments, **options)
        names = (SERVED, "encode", "step", "greedy", "beam")
        return {name: signatures[name] for name in names}

    monkeypatch.setattr(keras_formats, "ids_signatures", few)


def test_a_saved_model_of_named_signatures(model, tmp_path, fewer):
    model.export(tmp_path / "speller", search=SEARCH)
    loaded = tf.saved_model.load(str(tmp_path / "speller"))
    assert set(loaded.signatures) == {SERVED, "encode", "step", "greedy", "beam"}
    expected = SEARCH(model, padded_ids())
    found = loaded.signatures["beam"](tokens=tf.constant(padded_ids()))
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    served = loaded.serve(tf.constant(padded_ids()))
    width = served["sequences"].shape[1]
    np.testing.assert_array_equal(served["sequences"], expected.sequences[:, 0, :width])


@pytest.mark.slow
def test_onnx_and_litert(model, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    expected = np.asarray(SEARCH(model, padded_ids()[:1]).sequences)[:, 0]
    model.export(tmp_path / "speller.onnx", format="onnx", search=SEARCH)
    session = onnxruntime.InferenceSession(tmp_path / "speller.onnx")
    (found,) = session.run(["sequences"], {"tokens": padded_ids()[:1]})
    np.testing.assert_array_equal(found, expected[:, : found.shape[1]])
    assert empty_answer(tmp_path / "speller.onnx")["sequences"] == [0, 0]
    model.export(tmp_path / "speller.tflite", format="litert", search=SEARCH)
    runners = interpreter(str(tmp_path / "speller.tflite"))
    assert set(runners.get_signature_list()) == {SERVED, "encode", "step", "greedy", "beam"}
    found = runners.get_signature_runner(SERVED)(tokens=padded_ids()[:1])["sequences"]
    np.testing.assert_array_equal(found, expected[:, : found.shape[1]])


def test_the_search_is_that_of_compile(model):
    model.compile(search=Greedy(max_length=3))
    found = ids_signatures(model)["beam"](tokens=tf.constant(padded_ids()))
    assert found["sequences"].shape[1:] == (4, 3)
    model.compile(search=SEARCH)
    found = ids_signatures(model)["beam"](tokens=tf.constant(padded_ids()))
    assert found["sequences"].shape[1] == 2


def test_what_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"filepath: expected a name that ends in \.tflite"):
        model.export(tmp_path / "speller", format="litert")
    with pytest.raises(ValueError, match="input_signature: expected one"):
        model.export(tmp_path / "speller", optimizations=[])
    with pytest.raises(ValueError, match="Unrecognized format"):
        model.export(tmp_path / "speller", format="words")
    assert list(tmp_path.iterdir()) == []


def functional():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)(words)
    pooled, weights = AttentionPooling(4)(embedded, return_attention_scores=True)
    model = keras.Model(
        {"words": words}, {"label": keras.layers.Dense(2)(pooled), "attention": weights}
    )
    return model, {"words": np.array([[3, 4, 0]], "int32")}


def glimpses():
    model = GlimpseClassifier(vision.GlimpseRNN(keras.layers.GRUCell(4), steps=2), classes=3)
    model.build((None, 12, 14, 1))
    return model, np.full((1, 12, 14, 1), 0.5, "float32")


# Of Keras' own use of tf2onnx.
@pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")
@pytest.mark.parametrize("make", [functional, pytest.param(glimpses, marks=pytest.mark.slow)])
def test_keras_exports_models_that_do_not_decode(make, tmp_path):
    model, inputs = make()
    names = inputs if isinstance(inputs, dict) else {"image": inputs}
    # A file that was loaded was never called.
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    if make is functional:
        model(inputs)
    model.export(tmp_path / "saved", verbose=False)
    expected = {name: tensor.numpy() for name, tensor in model(inputs).items()}
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve(inputs)
    for name, array in expected.items():
        np.testing.assert_allclose(served[name], array, atol=1e-5)
    model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    outputs = [output.name for output in session.get_outputs()]
    feeds = dict(zip((one.name for one in session.get_inputs()), names.values()))
    found = dict(zip(outputs, session.run(outputs, feeds)))
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-5)
