"""A batch without examples: every graph answers it, in every onnxruntime."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.environments import UnavailableError, python_of
from keras_attention.export.onnx_passes.empty_batch import answer_empty_batch
from tests.support.empty_batches import empty_answer, empty_answer_of
from tests.support.exporting import MAP_SHAPE, SOUNDS

UNITS = 4
EXPECTED = {
    "greedy": {"sequences": [0, 0], "scores": [0], "lengths": [0], "attention": [0, 0, 3]},
    "beam": {
        "sequences": [0, 4, 0],
        "scores": [0, 4],
        "lengths": [0, 4],
        "attention": [0, 4, 0, 3],
    },
}


def recurrent():
    """An LSTM over `x` `(batch, time, 4)`, and the largest unit of each position."""

    def declared(name, dtype, *sizes):
        return helper.make_tensor_value_info(name, dtype, sizes)

    weights = np.random.default_rng(0).normal(size=(1, 4 * UNITS, UNITS)).astype("float32")
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["turned", "w", "w"], ["y"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["y", "one"], ["outputs"]),
        helper.make_node("Transpose", ["outputs"], ["hidden"], perm=[1, 0, 2]),
        helper.make_node("TopK", ["hidden", "one"], ["largest", "place"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [declared("x", TensorProto.FLOAT, "batch", "time", UNITS)],
        [
            declared("hidden", TensorProto.FLOAT, "batch", "time", UNITS),
            declared("place", TensorProto.INT64, "batch", "time", 1),
        ],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.int64([1]), "one")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture
def guarded(tmp_path):
    """The file of a guarded graph, and the graph as it was."""
    model = recurrent()
    before = model.SerializeToString()
    answer_empty_batch(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "guarded.onnx")
    return tmp_path / "guarded.onnx", before


def test_operations_that_end_the_process_do_not_run(guarded):
    found = empty_answer_of(sys.executable, guarded[0])
    assert found == {"hidden": [0, 3, UNITS], "place": [0, 3, 1]}


def test_other_batches_are_answered_as_before(guarded):
    x = np.random.default_rng(1).normal(size=(2, 5, UNITS)).astype("float32")
    found, expected = (onnxruntime.InferenceSession(one).run(None, {"x": x}) for one in guarded)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


def test_a_graph_without_a_batch_stays_as_it_is():
    model = recurrent()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    before = model.SerializeToString()
    answer_empty_batch(model.graph)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("graph", EXPECTED)
def test_a_search_of_ids(onnx_artifact, graph):
    assert empty_answer(onnx_artifact.path / f"{graph}.onnx") == EXPECTED[graph]


def test_a_client_that_steps(onnx_artifact, changing):
    state = empty_answer(onnx_artifact.path / "encoder.onnx")
    assert state["memory_keys"] == [0, 3, 8]
    found = empty_answer(onnx_artifact.path / "step.onnx")
    assert found["logits"] == [0, len(SOUNDS)] and found["attention"] == [0, 3]
    assert {f"next_{name}" for name in changing} < set(found)


def test_a_search_of_images(image_onnx_artifact):
    found = empty_answer(image_onnx_artifact.path / "beam.onnx")
    assert found["attention"] == [0, 4, 0, *MAP_SHAPE] and found["sequences"] == [0, 4, 0]


@pytest.mark.slow
def test_the_oldest_onnxruntime(onnx_artifact, guarded):
    try:
        python = python_of("onnxruntime")
    except UnavailableError as reason:
        pytest.skip(str(reason))
    assert empty_answer_of(python, guarded[0])["place"] == [0, 3, 1]
    for graph in sorted(onnx_artifact.path.glob("*.onnx")):
        found = empty_answer_of(python, graph)
        assert all(sizes[0] == 0 for sizes in found.values())
        assert found == EXPECTED.get(graph.stem, found)
