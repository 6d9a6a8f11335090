"""The names of nodes and tensors."""

import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from keras_attention.export.onnx_loops import subgraphs
from keras_attention.export.onnx_passes.names import clean_names


def choosing():
    """A graph whose `If` adds 1 or 2, with names as tf2onnx writes them."""
    scope = "StatefulPartitionedCall/StatefulPartitionedCall/encoder_1"
    one, two = f"{scope}/bias/ReadVariableOp:0", f"{scope}/bias__12"

    def branch(number, given):
        output = f"cond___{scope}/add__{number}:0"
        node = helper.make_node("Add", ["x", given], [output], name="Add")
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n"])
        return helper.make_graph([node], "branch", [], [result])

    condition = f"while_cond_frozen_22_{scope}/Greater__3"
    nodes = [
        helper.make_node("Greater", ["x", one], [condition], name="Add"),
        helper.make_node(
            "If", [condition], ["y"], then_branch=branch(4, one), else_branch=branch(5, two)
        ),
    ]
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in ("x", "y")]
    weights = [numpy_helper.from_array(np.float32([v]), n) for v, n in ((1, one), (2, two))]
    graph = helper.make_graph(nodes, "choosing", tensors[:1], tensors[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def nodes_of(graph):
    for node in graph.node:
        yield node
        for inner in subgraphs(node):
            yield from nodes_of(inner)


def test_names_are_short_and_distinct():
    model = choosing()
    clean_names(model.graph)
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.initializer] == ["encoder_1/bias", "encoder_1/bias.2"]
    names = [node.name for node in nodes_of(model.graph)]
    assert names == ["encoder_1/Greater", "y", "encoder_1/add", "encoder_1/add.2"]


def test_the_graph_computes_the_same():
    from onnx.reference import ReferenceEvaluator

    model = choosing()
    clean_names(model.graph)
    for x in ([0.0], [5.0]):
        found, expected = (
            ReferenceEvaluator(one).run(None, {"x": np.float32(x)})[0]
            for one in (model, choosing())
        )
        np.testing.assert_array_equal(found, expected)


def test_an_artifact_has_the_names_of_its_layers(onnx_artifact):
    for path in onnx_artifact.path.glob("*.onnx"):
        nodes = list(nodes_of(onnx.load(path).graph))
        names = [node.name for node in nodes]
        assert len(set(names)) == len(names)
        found = [name for name in names if re.search(r"PartitionedCall|__\d+|ReadVariable", name)]
        assert found == []
        assert any("embedding" in name for name in names)
