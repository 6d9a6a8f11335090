"""Weights of ONNX graphs in fewer bits."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

from keras_attention.export.precision import weights
from keras_attention.export.precision.weights import store_weights, weight_bytes

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def graph_of(nodes, arrays, units, inner=None):
    """A model from `x` `(b, K)` to `y` `(b, units)`."""
    graph = make_graph(
        nodes,
        "graph",
        [make_tensor_value_info("x", TensorProto.FLOAT, ["b", units[0]])],
        [make_tensor_value_info("y", TensorProto.FLOAT, ["b", units[1]])],
        [from_array(array, name) for name, array in arrays.items()],
    )
    return make_model(graph, opset_imports=[make_opsetid("", 18)], ir_version=9)


def product(k, n, scale=1.0):
    return graph_of([make_node("MatMul", ["x", "w"], ["y"])], {"w": scale * normal(k, n)}, (k, n))


def run(model, x):
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def operations(model):
    return {node.op_type for node in model.graph.node}


@pytest.fixture
def large(monkeypatch):
    """Products with integers from 256 weights on."""
    monkeypatch.setattr(weights, "LARGE_PRODUCT", 256)


@pytest.mark.parametrize(
    ("precision", "most", "error"), [("int8", 0.35, 1e-2), ("float16", 0.55, 1e-3)]
)
def test_bytes_and_answers(precision, most, error):
    model, x = product(64, 48), normal(3, 64)
    expected, before = run(model, x), weight_bytes(model.graph)
    store_weights(model.graph, precision)
    assert weight_bytes(model.graph) <= most * before
    assert 0 < relative(run(model, x), expected) < error
    assert "MatMul" in operations(model)


def test_a_large_product_is_one_of_integers(large):
    model, x = product(64, 48), normal(3, 64)
    expected = run(model, x)
    store_weights(model.graph, "int8")
    assert "MatMulInteger" in operations(model) and "MatMul" not in operations(model)
    assert 0 < relative(run(model, x), expected) < 2e-2


def test_a_position_does_not_depend_on_the_others(large):
    model, x = product(64, 48), normal(3, 64)
    store_weights(model.graph, "int8")
    alone = run(model, x[:1])
    x[1:] *= 1000
    np.testing.assert_array_equal(run(model, x)[:1], alone)


def test_no_sum_of_integers_saturates(large):
    """Signed weights do, on processors without VNNI."""
    model = graph_of(
        [make_node("MatMul", ["x", "w"], ["y"])], {"w": np.ones((64, 48), "f4")}, (64, 48)
    )
    store_weights(model.graph, "int8")
    np.testing.assert_allclose(run(model, np.ones((2, 64), "f4")), 64.0, rtol=1e-5)


def test_zeros_come_out_as_they_are(large):
    model = product(64, 48)
    store_weights(model.graph, "int8")
    assert np.all(run(model, np.zeros((2, 64), "float32")) == 0)


def test_a_table_that_makes_the_logits_too_is_stored_once(large):
    nodes = [
        make_node("ReduceMax", ["x", "last"], ["most"], keepdims=0),
        make_node("Cast", ["most"], ["ids"], to=TensorProto.INT64),
        make_node("Gather", ["w", "ids"], ["rows"]),
        make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        make_node("MatMul", ["rows", "turned"], ["y"]),
    ]
    arrays = {"w": normal(40, 16), "last": np.int64([-1])}
    model = graph_of(nodes, arrays, (3, 40))
    x = np.float32([[1, 2, 3], [0, 0, 0], [7, 39, 7]])
    expected = run(model, x)
    store_weights(model.graph, "int8")
    assert weight_bytes(model.graph) < 0.4 * arrays["w"].nbytes
    assert "MatMulInteger" in operations(model)
    assert 0 < relative(run(model, x), expected) < 2e-2


def test_of_a_matrix_that_is_multiplied_turned_around_no_floats_are_left(large):
    nodes = [
        make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        make_node("MatMul", ["x", "turned"], ["y"]),
    ]
    model, x = graph_of(nodes, {"w": normal(48, 64)}, (64, 48)), normal(3, 64)
    expected = run(model, x)
    store_weights(model.graph, "int8")
    assert "MatMulInteger" in operations(model) and "Sub" not in operations(model)
    assert 0 < relative(run(model, x), expected) < 2e-2


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_weights_read_in_a_branch(large, precision):
    then = make_graph(
        [make_node("MatMul", ["x", "w"], ["a"]), make_node("MatMul", ["a", "own"], ["b"])],
        "then",
        [],
        [make_tensor_value_info("b", TensorProto.FLOAT, ["b", 32])],
        [from_array(normal(48, 32), "own")],
    )
    otherwise = make_graph(
        [make_node("Identity", ["none"], ["c"])],
        "else",
        [],
        [make_tensor_value_info("c", TensorProto.FLOAT, [1, 32])],
    )
    node = make_node("If", ["yes"], ["y"], then_branch=then, else_branch=otherwise)
    arrays = {"w": normal(64, 48), "none": normal(1, 32), "yes": np.bool_(True)}
    model, x = graph_of([node], arrays, (64, 32)), normal(3, 64)
    expected, before = run(model, x), weight_bytes(model.graph)
    store_weights(model.graph, precision)
    assert weight_bytes(model.graph) < 0.55 * before
    assert 0 < relative(run(model, x), expected) < 3e-2


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_small_arrays_and_vectors_stay(precision):
    nodes = [make_node("MatMul", ["x", "w"], ["a"]), make_node("Add", ["a", "bias"], ["y"])]
    model = graph_of(nodes, {"w": normal(2, 100), "bias": normal(1, 100)}, (2, 100))
    before = model.SerializeToString()
    store_weights(model.graph, precision)
    assert model.SerializeToString() == before


def test_numbers_that_half_precision_cannot_hold_stay():
    model, x = product(64, 48, scale=1e6), normal(3, 64)
    expected = run(model, x)
    store_weights(model.graph, "float16")
    np.testing.assert_array_equal(run(model, x), expected)
