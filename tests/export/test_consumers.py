"""Programs that are not ours run the artifacts: C++, onnx's reference, LiteRT, Serving's protos."""

import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops import op_loop

from keras_attention import generation
from keras_attention.export import ExportError, verify
from keras_attention.export import _replay as replay
from keras_attention.export._replay.operations import text_libraries
from keras_attention.export._replay.warmup import FILE
from tests.support.exporting import (
    MAX_LENGTH,
    consume,
    list_again,
    padded_ids,
    step_by_step,
    until_end,
    write_words,
)
from tests.support.hypotheses import first_of

# What another program reads depends little on the model.
one_kind = pytest.mark.parametrize("kind", ["default"], indirect=True, scope="session")


@pytest.mark.slow
@one_kind
def test_cpp_runs_every_signature(consumer, ids_artifact, tmp_path):
    folder = ids_artifact.path / "1"
    examples = replay.read_golden_examples(replay.golden_file(folder))
    write_words(examples, tmp_path / "words")
    code, lines = consume(consumer, folder, tmp_path / "words")
    assert code == 0, lines
    assert dict(line.split() for line in lines) == {n: str(len(c)) for n, c in examples.items()}
    # It compares: another answer is none.
    examples["beam"][0][1]["scores"] += 1e-3
    write_words(examples, tmp_path / "words")
    assert consume(consumer, folder, tmp_path / "words") == (
        1,
        ["error: beam: output scores differs"],
    )


@pytest.mark.slow
def test_cpp_takes_text(consumer, text_artifact, tmp_path):
    examples = replay.read_golden_examples(replay.golden_file(text_artifact.path / "3"))
    write_words(examples, tmp_path / "words")
    code, lines = consume(consumer, text_artifact.path / "3", tmp_path / "words")
    # One line for every signature.
    assert code == 0 and len(lines) == 5, lines


@pytest.mark.slow
def test_cpp_takes_subwords(consumer, subwords_artifact, tmp_path):
    examples = replay.read_golden_examples(replay.golden_file(subwords_artifact.path / "1"))
    write_words(examples, tmp_path / "words")
    libraries = text_libraries()
    code, lines = consume(consumer, subwords_artifact.path / "1", tmp_path / "words", *libraries)
    assert code == 0 and len(lines) == 5, lines


@one_kind
def test_serving_reads_the_warmup(ids_artifact, text_artifact):
    """With the protos of tensorflow-serving-api: what the server itself would parse."""
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    for artifact, version in ((ids_artifact, "1"), (text_artifact, "3")):
        folder = artifact.path / version
        examples = replay.read_golden_examples(replay.golden_file(folder))
        names = set()
        for record in tf.data.TFRecordDataset(str(folder / FILE)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            signature = request.model_spec.signature_name
            names.add(signature)
            assert request.model_spec.name == artifact.path.name
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            specs = artifact.loaded.signatures[signature].structured_input_signature[1]
            assert {n: a.dtype for n, a in inputs.items()} == {
                n: s.dtype.as_numpy_dtype for n, s in specs.items()
            }
            assert replay.compare(examples[signature][-1][0], inputs, 0.0)[1] == []
        assert names == set(artifact.report["signatures"])


@one_kind
def test_onnx_reference_runs_the_beam(onnx_artifact, live, monkeypatch):
    # It joins what a loop collects along an axis that is there; the standard adds one.
    stacking = SimpleNamespace(array=np.array, empty=np.empty, vstack=np.stack)
    monkeypatch.setattr(op_loop, "np", stacking)
    evaluator = ReferenceEvaluator(str(onnx_artifact.path / "beam.onnx"))
    found = dict(zip(evaluator.output_names, evaluator.run(None, {"tokens": padded_ids()})))
    check_hypotheses(found, live, padded_ids())


def check_hypotheses(found, model, tokens):
    expected = generation.BeamSearch(max_length=MAX_LENGTH)(model, tokens)
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_array_equal(found["lengths"], expected.lengths)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)


@pytest.fixture(scope="module")
def interpreter(litert_artifact):
    from ai_edge_litert.interpreter import Interpreter

    def run(graph, **inputs):
        path = str(litert_artifact.path / f"{graph}.tflite")
        return Interpreter(path).get_signature_runner()(**inputs)

    return run


def test_litert_searches_like_the_live_model(interpreter, litert_artifact):
    assert litert_artifact.report["graphs"] == ["encoder", "step", "greedy", "beam"]
    for row in padded_ids():
        found = interpreter("beam", tokens=row[None])
        check_hypotheses(found, litert_artifact.model, row[None])


def test_a_litert_client_steps_over_several_rows(interpreter, litert_artifact):
    """The step takes any batch: what was encoded row by row goes on together."""
    tokens = padded_ids()

    def encode(tokens):
        states = [interpreter("encoder", tokens=row[None]) for row in tokens]
        return {name: np.concatenate([s[name] for s in states]) for name in states[0]}

    changing = {"decoder_cell_0", "decoder_cell_1", "decoder_attentional"}
    chosen = step_by_step(encode, partial(interpreter, "step"), tokens, changing)
    expected = first_of(
        generation.Greedy(max_length=MAX_LENGTH)(litert_artifact.model, tokens)
    ).sequences
    np.testing.assert_array_equal(until_end(chosen), expected)


def test_litert_takes_a_source_without_columns(interpreter):
    found = interpreter("greedy", tokens=np.zeros((1, 0), "int32"))
    padded = interpreter("greedy", tokens=np.zeros((1, 1), "int32"))
    np.testing.assert_array_equal(found["sequences"], padded["sequences"])


@pytest.mark.parametrize("damage", ["truncated", "swapped", "missing"])
def test_a_corrupted_litert_artifact(litert_artifact, tmp_path, damage):
    path = tmp_path / "speller"
    shutil.copytree(litert_artifact.path, path)
    step = path / "step.tflite"
    if damage == "truncated":
        step.write_bytes(step.read_bytes()[:1000])
    elif damage == "swapped":
        shutil.copy(path / "encoder.tflite", step)
    else:
        step.unlink()
    list_again(path)
    with pytest.raises(ExportError, match=r"speller .*(step|ended with code)"):
        verify(path)
