"""A Transformer, whose state grows with every step, in every format."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_attention.export import export_model
from keras_attention.export.signatures import ids_signatures
from keras_attention.generation import BeamSearch
from keras_attention.models import Transformer
from keras_attention.text import Vocabulary
from tests.support.exporting import call_onnx

LETTERS = Vocabulary("abcdef")
SEARCH = BeamSearch(num_beams=2, max_length=6)
# Not among the recorded examples.
SOURCE = np.array([[4, 9, 6, 5], [8, 7, 4, 0], [5, 5, 0, 0]], "int32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(7)
    model = Transformer(
        LETTERS, LETTERS, 8, 2, num_encoder_layers=1, num_decoder_layers=2, tied_logits=False
    )
    for variable in model.trainable_variables:
        if len(variable.shape) == 2:
            variable.assign(3 * variable)
    found = np.asarray(SEARCH(model, SOURCE).sequences)[:, 0]
    # Equal answers to all sources would show nothing.
    assert len({tuple(row) for row in found}) == 3
    return model


@pytest.mark.slow
def test_a_client_sends_a_state_that_is_longer_at_every_step(model):
    signatures = ids_signatures(model, SEARCH)
    encode, step = (
        tf.function(signatures[name], input_signature=None, autograph=False).get_concrete_function(
            **signatures[name].inputs
        )
        for name in ("encode", "step")
    )
    state, own, token = (
        encode(tokens=tf.constant(SOURCE)),
        model.start(SOURCE),
        ops.ones(3, "int32"),
    )
    for _ in range(3):
        after = step(token=token, **state)
        logits, own, _ = model.step(token, own)
        np.testing.assert_allclose(after["logits"], logits, rtol=1e-4, atol=1e-4)
        changed = {n.removeprefix("next_"): x for n, x in after.items() if n.startswith("next_")}
        state, token = {**state, **changed}, tf.argmax(logits, axis=-1, output_type=tf.int32)
    assert state["decoder_0_keys"].shape == (3, 2, 4, 4)


@pytest.mark.slow
def test_a_saved_model_answers_as_the_model(model, tmp_path):
    report = export_model(model, tmp_path / "m", search=SEARCH)
    assert report["ids_equal"] and report["max_abs_difference"] < 1e-4
    artifact = tf.saved_model.load(str(tmp_path / "m" / "1"))
    found = artifact.signatures["beam"](tokens=tf.constant(SOURCE))
    np.testing.assert_array_equal(found["sequences"], SEARCH(model, SOURCE).sequences)


@pytest.mark.slow
def test_onnx_answers_as_the_model(model, tmp_path):
    pytest.importorskip("tf2onnx")
    report = export_model(model, tmp_path / "m", format="onnx", search=SEARCH)
    assert report["ids_equal"] and report["max_abs_difference"] < 1e-4
    found = call_onnx(tmp_path / "m", "beam", tokens=SOURCE)
    np.testing.assert_array_equal(found["sequences"], SEARCH(model, SOURCE).sequences)


@pytest.mark.slow
def test_litert_answers_as_the_model(model, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    report = export_model(model, tmp_path / "m", format="litert", search=SEARCH)
    assert report["ids_equal"] and report["max_abs_difference"] < 1e-4
    graph = interpreter.Interpreter(str(tmp_path / "m" / "greedy.tflite"))
    run = graph.get_signature_runner()
    for row in SOURCE:
        source = row[row != 0][None]
        state, token, written = model.start(source), ops.array([1]), []
        while len(written) < 6 and 2 not in written:
            logits, state, _ = model.step(token, state)
            logits = np.where(np.arange(10) < 2, -np.inf, np.asarray(logits))
            token = ops.array(logits.argmax(-1))
            written.append(int(token[0]))
        assert run(tokens=source)["sequences"][0].tolist() == written
