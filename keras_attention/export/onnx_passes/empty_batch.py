"""An ONNX graph that answers a batch without examples, whatever the runtime makes of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_attention.export.onnx_passes.names import rename

if TYPE_CHECKING:
    import onnx

# The name of the size that is the number of examples.
BATCH = "batch"
# The names of what is added to a graph.
_SIZE, _HOLDS_SOME = "empty_batch/size", "empty_batch/holds_some"


def answer_empty_batch(graph: onnx.GraphProto) -> None:
    """Puts a graph behind an `If`: for a batch of 0 examples it gives outputs of 0 examples.

    Runtimes do not agree on operations over nothing. Below 1.31 onnxruntime
    divides by zero in `TopK` (SIGFPE), and it aborts in `LSTM`; both end the
    process. A size of an output that is no size of an input, such as the length
    of the answers, is 0.

    The weights move into the branch with the nodes. Outside of it, onnxruntime
    would not prepare them.

    Args:
        graph: is changed in place. Its sizes have names; without a size `batch`
            it stays as it is.
    """
    from onnx import GraphProto, TensorProto, helper

    places = _places(graph)
    if BATCH not in places:
        return
    empty = GraphProto(name="empty_batch")
    for tensor in graph.output:
        _add_empty(empty, tensor, places)
    examples = _inside(graph)
    name, axis = places[BATCH]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    nodes = (
        helper.make_node("Shape", [name], [_SIZE], start=axis, end=axis + 1),
        helper.make_node("Cast", [_SIZE], [_HOLDS_SOME], to=TensorProto.BOOL),
        helper.make_node(
            "If",
            [_HOLDS_SOME],
            [tensor.name for tensor in graph.output],
            then_branch=examples,
            else_branch=empty,
        ),
    )
    for node in nodes:
        node.name = f"empty_batch/{node.op_type}"
    graph.node.extend(nodes)


def _places(graph: onnx.GraphProto) -> dict[str, tuple[str, int]]:
    """For each named size an input that has it, and its axis there."""
    places: dict[str, tuple[str, int]] = {}
    for tensor in graph.input:
        for axis, size in enumerate(tensor.type.tensor_type.shape.dim):
            if size.dim_param:
                places.setdefault(size.dim_param, (tensor.name, axis))
    return places


def _add_empty(
    branch: onnx.GraphProto, tensor: onnx.ValueInfoProto, places: dict[str, tuple[str, int]]
) -> None:
    """Adds an output without elements to a branch, of the dtype and the sizes of `tensor`."""
    from onnx import helper

    kind, name, sizes = tensor.type.tensor_type, f"empty_batch/{tensor.name}", []
    for axis, size in enumerate(kind.shape.dim):
        sizes.append(f"{name}/{axis}")
        if axis > 0 and size.dim_param in places:
            given, place = places[size.dim_param]
            node = helper.make_node("Shape", [given], [sizes[-1]], start=place, end=place + 1)
        else:
            fixed = 0 if axis == 0 else size.dim_value
            node = helper.make_node("Constant", [], [sizes[-1]], value_ints=[fixed])
        branch.node.append(node)
    nothing = helper.make_tensor("value", kind.elem_type, [1], [0])
    branch.node.append(helper.make_node("Concat", sizes, [f"{name}/sizes"], axis=0))
    branch.node.append(
        helper.make_node("ConstantOfShape", [f"{name}/sizes"], [name], value=nothing)
    )
    for node in branch.node:
        node.name = node.output[0]
    branch.output.add().CopyFrom(tensor)
    branch.output[-1].name = name


def _inside(graph: onnx.GraphProto) -> onnx.GraphProto:
    """The graph as a branch, which reads the inputs of the graph around it."""
    from onnx import GraphProto

    branch = GraphProto(name="examples")
    branch.CopyFrom(graph)
    branch.name = "examples"
    del branch.input[:]
    outputs = {tensor.name: f"examples/{tensor.name}" for tensor in graph.output}
    rename(branch, lambda name: outputs.get(name, name))
    return branch
