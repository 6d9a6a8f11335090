"""ONNX: encoder, step and the whole decoding, for which TensorFlow is not needed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_attention._core.optional import require
from keras_attention._core.quiet import quiet
from keras_attention.export.errors import ExportError
from keras_attention.export.golden import GoldenExample
from keras_attention.export.onnx_loops import hoist_invariants
from keras_attention.export.onnx_passes.empty_batch import BATCH, answer_empty_batch
from keras_attention.export.onnx_passes.metadata import describe_graph
from keras_attention.export.onnx_passes.names import clean_names
from keras_attention.export.signatures import Signature
from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.export.writer import Job

if TYPE_CHECKING:
    import onnx

OPSET = 18


class OnnxWriter:
    """The directory of ONNX graphs, opset 18, that `export_model(..., format="onnx")` writes.

    | file           | inputs              | outputs                                          |
    | -------------- | ------------------- | ------------------------------------------------ |
    | `encoder.onnx` | `tokens` (B, S)     | the tensors of the state                         |
    | `step.onnx`    | `token` (B,), state | `logits` (B, V), `attention` (B, S), `next_NAME` |
    | `greedy.onnx`  | `tokens` (B, S)     | `sequences` (B, T), `scores` (B,), `lengths`     |
    |                |                     | (B,), `attention` (B, T, S)                      |
    | `beam.onnx`    | `tokens` (B, S)     | `sequences` (B, N, T), `scores` (B, N),          |
    |                |                     | `lengths` (B, N), `attention` (B, N, T, S)       |

    `vocabulary.json` beside them holds the tokens of both sides by id (null if
    the model knows only their number), the special ids and `max_length`.
    `source_tokenizer.json` and `target_tokenizer.json` are the vocabularies for
    the package `tokenizers`, `examples.npz` the golden examples, `manifest.json`
    lists all files.

    Names are those of `SavedModelWriter`. A model that reads images takes
    `image` `(B, H, W, 3)` instead of `tokens`, and S in `attention` is `h, w`.
    Sizes that vary are named `batch`, `source` and `target`. A source without
    columns is read as one column of padding, ids that the vocabulary does not
    have as the unknown one. A step whose token and state have different batch
    sizes fails. A batch without examples is answered by one without examples,
    before anything is computed.

    A file says of itself what `describe_graph` lists, such as its limits, its
    search, and the SHA-256 of `vocabulary.json`.
    """

    kinds: tuple[str, ...] = ("ids", "call")
    has_versions = False
    batch: int | None = None
    holds_empty = True
    graphs: dict[str, str] | None = {
        "encoder": "encode",
        "step": "step",
        "greedy": "greedy",
        "beam": "beam",
    }
    verb = "converting"
    golden_file = "examples.npz"
    packages: tuple[str, ...] = ("keras", "tensorflow", "numpy", "tf2onnx", "onnx", "onnxruntime")

    def check_installed(self) -> None:
        """Raises `ImportError` if tf2onnx, onnx or onnxruntime is missing."""
        for package in ("tf2onnx", "onnx", "onnxruntime"):
            require(package, "onnx")

    def check_model(self, model: object) -> None:
        """Any model fits."""

    def tracing(self) -> AbstractContextManager[None]:
        """Nothing in particular."""
        return contextlib.nullcontext()

    def convert(self, name: str, job: Job) -> onnx.ModelProto:
        """One graph."""
        proto = onnx_graph(name, job.signatures[name])
        _name_sizes(proto.graph, job.examples[name])
        finish(proto.graph)
        return proto

    def write(self, converted: dict[str, onnx.ModelProto], job: Job, folder: Path) -> None:
        """Writes the vocabularies, and the graphs with what they say of themselves."""
        import onnx
        import tf2onnx

        write_vocabularies(job.model, job.max_length, folder)
        vocabulary = hashlib.sha256((folder / "vocabulary.json").read_bytes()).hexdigest()
        converter = f"tf2onnx {tf2onnx.__version__}"
        for name, proto in converted.items():
            describe_graph(proto, name, job, converter, vocabulary)
            onnx.save(proto, folder / f"{name}.onnx")


def onnx_graph(name: str, signature: Signature) -> onnx.ModelProto:
    """A signature as a graph, whose open sizes have no names yet; `name` is for errors."""
    import tf2onnx

    shapes = {}

    # A function of one dictionary: its keys become the names of the inputs.
    @partial(tf.function, autograph=False)
    def function(tensors: dict[str, Any]) -> dict[str, Any]:
        outputs = signature(**tensors)
        shapes.update({name: tensor.shape for name, tensor in outputs.items()})
        return outputs

    try:
        with quiet():
            proto, _ = tf2onnx.convert.from_function(
                function, input_signature=[dict(signature.inputs)], opset=OPSET
            )
    except Exception as error:
        raise ExportError(f"{name}.onnx: the conversion failed: {error}") from error
    # tf2onnx does not raise for an operation that it cannot convert; it copies it.
    foreign = sorted(_foreign_operations(proto.graph))
    if foreign:
        raise ExportError(
            f"{name}.onnx: the model uses {', '.join(foreign)}, which tf2onnx cannot convert to "
            f"ONNX (opset {OPSET}). Express it by other keras.ops."
        )
    hoist_invariants(proto.graph)
    _declare_sizes(proto.graph, shapes)
    _declare_inputs(proto.graph, signature)
    return proto


def finish(graph: onnx.GraphProto) -> None:
    """What comes last: names of nodes and tensors, and the answer to an empty batch."""
    clean_names(graph)
    answer_empty_batch(graph)


def _foreign_operations(graph: onnx.GraphProto) -> Iterator[str]:
    import onnx

    for node in graph.node:
        if not onnx.defs.has(node.op_type, OPSET, node.domain):
            yield node.op_type
        for attribute in node.attribute:
            for part in (attribute.g, *attribute.graphs):
                yield from _foreign_operations(part)


def _declare_inputs(graph: onnx.GraphProto, signature: Signature) -> None:
    """Adds the inputs that the graph does not use, and names the size of the batch.

    Every promised name is accepted.
    """
    import onnx

    present = {tensor.name for tensor in graph.input}
    for name, spec in signature.inputs.items():
        if name not in present:
            dtype = onnx.helper.np_dtype_to_tensor_dtype(spec.dtype.as_numpy_dtype)
            graph.input.append(onnx.helper.make_tensor_value_info(name, dtype, list(spec.shape)))
    for tensor in graph.input:
        batch = tensor.type.tensor_type.shape.dim[0]
        if not batch.HasField("dim_value"):
            batch.dim_param = BATCH


def _declare_sizes(graph: onnx.GraphProto, shapes: dict[str, tf.TensorShape]) -> None:
    """Declares the sizes that TensorFlow knows, some of which the conversion loses."""
    for tensor in graph.output:
        declared = tensor.type.tensor_type.shape.dim
        for size, known in zip(declared, shapes[tensor.name].as_list()):
            if known is not None:
                size.dim_value = known


def _name_sizes(graph: onnx.GraphProto, examples: list[GoldenExample]) -> None:
    """Names every size that varies like the size it equals in all golden examples."""
    named = {name: [one.sizes[name] for one in examples] for name in examples[0].sizes}
    for side, tensors in (("inputs", graph.input), ("outputs", graph.output)):
        for tensor in tensors:
            arrays = [one.inputs if side == "inputs" else one.outputs for one in examples]
            shapes = [given[tensor.name].shape for given in arrays]
            declared = tensor.type.tensor_type.shape.dim
            while len(declared) < len(shapes[0]):
                declared.add()
            for axis, size in enumerate(declared):
                if size.HasField("dim_value"):
                    continue
                seen = [shape[axis] for shape in shapes]
                same = [name for name, sizes in named.items() if sizes == seen]
                # In a single example the batch may be as large as the source is long.
                same = [name for name in same if (name == BATCH) == (axis == 0)] or same
                size.dim_param = same[0] if same else f"{tensor.name}_{axis}"
