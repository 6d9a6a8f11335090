"""The process that checks an artifact: how it compares, and what it cannot import."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_attention.export import ExportError, verification, verify
from keras_attention.export import _replay as replay
from keras_attention.export._replay import isolation, operations, warmup
from keras_attention.export.golden import GoldenExample, write_golden_examples
from keras_attention.export.portable import portable_kernels
from keras_attention.export.random_inputs import random_ids, random_texts
from tests.support.exporting import LETTERS, speller

FLOATS = np.array([1.0, 2.0], "float32")
IDS = np.array([[4, 2]], "int32")


def compare(expected, received, tolerance=1e-4):
    return replay.compare({"x": expected}, {"x": received}, tolerance)


def test_equal_is_equal():
    for array in (FLOATS, IDS, IDS > 2, np.array(["a", ""]), FLOATS[:0]):
        assert compare(array, array) == (0.0, [], True)
    assert compare(np.array(["é", ""]), np.array(["é".encode(), b""], object))[1] == []


def test_floats_within_the_tolerance():
    largest, problems, equal = compare(FLOATS, FLOATS + np.float32(5e-5))
    assert 0 < largest < 1e-4 and problems == [] and equal
    largest, problems, equal = compare(FLOATS, FLOATS + np.float32([0, 1e-3]))
    assert largest == pytest.approx(1e-3, rel=1e-2) and equal
    assert problems == ["output 'x' differs by 0.001 (1 of 2 numbers), allowed is 0.0001"]
    # Float32 resolves 1000 to 6e-5, and sums of log-probabilities get there.
    assert compare(np.float32([-1000.0]), np.float32([-1000.0005]))[1] == []
    assert compare(np.float32([-1000.0]), np.float32([-1000.01]))[1] != []


@pytest.mark.parametrize("received", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none(received):
    largest, problems, _ = compare(FLOATS, np.array([1.0, received], "float32"))
    assert largest == np.inf and "1 of 2 numbers" in problems[0]
    # The logits of tokens that a model never chooses.
    infinite = np.float32([-np.inf, 1.0])
    assert compare(infinite, infinite) == (0.0, [], True)


def test_ids_and_texts_exactly():
    assert compare(IDS, IDS + 1)[1:] == (["output 'x' differs in 2 of 2 elements"], False)
    texts = np.array(["a", "b"])
    assert compare(texts, np.array([b"a", b"c"], object))[2] is False
    assert compare(IDS, IDS.astype("int64"))[1] == [
        "output 'x' is int64 of shape (1, 2), expected int32 of (1, 2)"
    ]
    assert compare(IDS, IDS[:, :1])[2] is False
    assert "shape (1,)" in compare(FLOATS, FLOATS[:1])[1][0]


def test_outputs_that_are_missing_or_more():
    _, problems, equal = replay.compare({"a": IDS}, {"b": IDS}, 1e-4)
    assert problems == ["output 'a' is missing", "output 'b' was not there before"]
    assert not equal


def test_examples_come_back(tmp_path):
    cases = {
        "greedy": [
            GoldenExample(
                {"text": np.array(["né", ""])}, {"ids": IDS, "score": FLOATS}, {"batch": 2}
            ),
            GoldenExample(
                {"text": np.array([""])}, {"ids": IDS[:, :0], "score": FLOATS[:1]}, {"batch": 1}
            ),
        ]
    }
    write_golden_examples(tmp_path / "examples.npz", cases)
    found = replay.read_golden_examples(replay.golden_file(tmp_path))["greedy"]
    assert len(found) == 2
    assert found[0][0]["text"].tolist() == ["né", ""]
    assert found[1][1]["ids"].shape == (1, 0)
    np.testing.assert_array_equal(found[0][1]["score"], FLOATS)


def test_examples_are_drawn_over_the_vocabulary():
    batches = random_ids(LETTERS)
    assert [ids.shape for ids in batches] == [(1, 1), (1, 5), (3, 7), (4, 12)]
    assert {ids.dtype for ids in batches} == {np.dtype("int32")}
    assert max(ids.max() for ids in batches) == len(LETTERS) - 1
    assert (batches[-1] == 0).any()
    texts = [text for batch in random_texts(LETTERS) for text in batch]
    assert "" in texts and any(text.isupper() for text in texts)
    assert any(3 in LETTERS.encode(text) for text in texts)


def test_the_process_cannot_import_the_model_packages():
    program = (
        f"import runpy; names = runpy.run_path({isolation.__file__!r});"
        "import sys; sys.meta_path.insert(0, names['Blocker'](names['MODEL_PACKAGES']))\n"
        "for name in ('keras', 'keras_attention', 'keras.layers', 'keras_attention.text'):\n"
        "    try:\n        __import__(name)\n        print('imported', name)\n"
        "    except ImportError as error:\n        print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all("may not be imported here" in line for line in lines)


def test_warmup_requests_come_back(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    assert list(warmup.read_warmup(tmp_path)) == []
    long = np.array(["né" * 200, ""])
    warmup.write_warmup(tmp_path, "speller", [("beam", {"text": long}), ("step", {"a": IDS})])
    (beam, first), (step, second) = warmup.read_warmup(tmp_path)
    assert (beam, step, list(first), list(second)) == ("beam", "step", ["text"], ["a"])
    assert replay.plain(first["text"]).tolist() == long.tolist()
    np.testing.assert_array_equal(second["a"], IDS)


@pytest.mark.parametrize("record", [b"\x32\x05ab", b"\x08\x01", b"\x32", b"\xff", b"\x0a\x00"])
def test_warmup_requests_that_are_none(tmp_path, record):
    (tmp_path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / warmup.FILE)) as writer:
        writer.write(record)
    with pytest.raises(RuntimeError, match=r"tf_serving_warmup_requests (holds|does not hold)"):
        list(warmup.read_warmup(tmp_path))


def test_operations_that_are_to_be_had_nowhere(tmp_path):
    model = saved_model_pb2.SavedModel()
    graph = model.meta_graphs.add().graph_def
    graph.node.add(op="Add")
    graph.node.add(op="Mystery")
    function = graph.library.function.add()
    function.signature.name = "called"
    function.node_def.add(op="called")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(RuntimeError, match=r"operations Mystery, which .*pip install '\.\[text\]'"):
        operations.load_operations(tmp_path)
    graph.node.pop()
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    operations.load_operations(tmp_path)


def test_a_process_that_dies_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(verification.sys, "executable", "false")
    with pytest.raises(ExportError, match="ended with code 1"):
        verification.replay_in_fresh_process(tmp_path)


def test_no_artifact(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        verify(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="holds no artifact"):
        verify(tmp_path)


def test_recurrent_layers_do_not_choose_cudnn():
    model = speller()
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    assert len(layers) >= 2
    before = [layer.use_cudnn for layer in layers]
    with portable_kernels(model):
        assert not any(layer.use_cudnn for layer in layers)
    assert [layer.use_cudnn for layer in layers] == before
