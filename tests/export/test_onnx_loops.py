"""Loops of ONNX graphs without what no iteration changes in their state."""

from functools import partial

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from keras_attention.export.onnx_loops import hoist_invariants, subgraphs

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
STEP = np.float32([1, 2])


def array(value, name):
    return onnx.numpy_helper.from_array(np.asarray(value), name)


def looping(states, body_nodes, after=(), outputs=("sum_out",)):
    """Three iterations over states: pairs of what goes in and what the body gives out.

    The body adds `step` to `sum`; names inside are those of the states.
    """
    vectors = [make_tensor_value_info(name, FLOAT, [2]) for name, _, _ in states]
    results = [make_tensor_value_info(out, FLOAT, [2]) for _, _, out in states]
    body = make_graph(
        [make_node("Identity", ["go"], ["go_on"]), *body_nodes],
        "body",
        [
            make_tensor_value_info("i", INT64, []),
            make_tensor_value_info("go", BOOL, []),
            *vectors,
        ],
        [make_tensor_value_info("go_on", BOOL, []), *results],
    )
    given = [outer for _, outer, _ in states]
    loop = make_node(
        "Loop", ["count", "", *given], [f"{name}_out" for name, _, _ in states], body=body
    )
    graph = make_graph(
        [loop, *after],
        "graph",
        [make_tensor_value_info("start", FLOAT, [2])],
        [make_tensor_value_info(name, FLOAT, [2]) for name in outputs],
        [array(np.int64(3), "count"), array(STEP, "weights")],
    )
    return make_model(graph, opset_imports=[make_opsetid("", 18)], ir_version=9)


def states_of(model):
    loop = next(node for node in model.graph.node if node.op_type == "Loop")
    return list(loop.input[2:])


def run(model):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"start": np.float32([10, 20])})


ADDING = make_node("Add", ["sum", "step"], ["next_sum"])
SUM, WEIGHTS = ("sum", "start", "next_sum"), ("step", "weights", "same")


def test_what_stays_the_same_is_read_from_outside():
    copied = make_node("Identity", ["step"], ["same"])
    model = looping([SUM, WEIGHTS], [ADDING, copied])
    before = run(model)
    hoist_invariants(model.graph)
    assert states_of(model) == ["start"]
    np.testing.assert_array_equal(run(model), before)
    body = next(subgraphs(model.graph.node[0]))
    # Nothing is left of it, not even the copy.
    assert [node.op_type for node in body.node] == ["Identity", "Add"]
    assert list(body.node[1].input) == ["sum", "weights"]


def test_its_result_is_what_went_in():
    copied = make_node("Identity", ["step"], ["same"])
    model = looping([SUM, WEIGHTS], [ADDING, copied], outputs=("sum_out", "step_out"))
    hoist_invariants(model.graph)
    assert states_of(model) == ["start"]
    total, step = run(model)
    np.testing.assert_array_equal(step, STEP)
    np.testing.assert_array_equal(total, [13, 26])


def test_states_that_change_places_stay():
    states = [("sum", "start", "step_copy"), ("step", "weights", "sum_copy")]
    swapped = [
        make_node("Identity", ["step"], ["step_copy"]),
        make_node("Identity", ["sum"], ["sum_copy"]),
    ]
    model = looping(states, swapped)
    before = run(model)
    hoist_invariants(model.graph)
    assert states_of(model) == ["start", "weights"]
    np.testing.assert_array_equal(run(model), before)


def test_a_name_that_the_body_uses_for_something_else_is_not_read_from_outside():
    nodes = [
        make_node("Add", ["sum", "step"], ["weights"]),
        make_node("Identity", ["weights"], ["next_sum"]),
        make_node("Identity", ["step"], ["same"]),
    ]
    model = looping([SUM, WEIGHTS], nodes)
    hoist_invariants(model.graph)
    assert states_of(model) == ["start", "weights"]


def test_a_loop_in_a_branch():
    model = looping([SUM, WEIGHTS], [ADDING, make_node("Identity", ["step"], ["same"])])
    loop, vector = model.graph.node[0], partial(make_tensor_value_info, elem_type=FLOAT, shape=[2])
    loop.output[0] = "total"
    then = make_graph([loop], "then", [], [vector("total")])
    copied = make_node("Identity", ["start"], ["copy"])
    otherwise = make_graph([copied], "else", [], [vector("copy")])
    branches = {"then_branch": then, "else_branch": otherwise}
    del model.graph.node[:]
    model.graph.node.append(make_node("If", ["yes"], ["sum_out"], **branches))
    model.graph.initializer.append(array(np.bool_(True), "yes"))
    before = run(model)
    hoist_invariants(model.graph)
    branch = next(one for one in subgraphs(model.graph.node[0]) if one.name == "then")
    assert list(branch.node[0].input) == ["count", "", "start"]
    np.testing.assert_array_equal(run(model), before)
