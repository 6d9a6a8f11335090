"""ONNX: encoder, step and the whole decoding, for which TensorFlow is not needed."""

from functools import partial

import tensorflow as tf

from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require
from keras_attention._core.quiet import quiet
from keras_attention.export.errors import ExportError
from keras_attention.export.golden import record_ids, write_examples
from keras_attention.export.replay import examples_file
from keras_attention.export.signatures import check_decodes, ids_signatures
from keras_attention.export.sources import source_of
from keras_attention.export.verification import TOLERANCE, verify_artifact
from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.export.writing import atomic_directory

OPSET = 18
GRAPHS = {"encoder": "encode", "step": "step", "greedy": "greedy", "beam": "beam"}


def save_onnx(
    model,
    path,
    max_length=64,
    overwrite=False,
    examples=None,
    tolerance=TOLERANCE,
    search=None,
):
    """Writes a model with its decoding loop as ONNX, opset 18, and verifies it.

    The directory holds

        encoder.onnx             tokens (B, S)          -> the tensors of the state
        step.onnx                token (B,), the state  -> logits (B, V), attention (B, S),
                                                           next_NAME for what changed of the state
        greedy.onnx              tokens (B, S)          -> sequences (B, T), scores (B,),
                                                           lengths (B,), attention (B, T, S)
        beam.onnx                tokens (B, S)          -> sequences (B, N, T), scores (B, N),
                                                           lengths (B, N), attention (B, N, T, S)
        vocabulary.json          the tokens of both sides by id (null where the model
                                 knows only their number), the special ids, max_length
        source_tokenizer.json    the same for the package `tokenizers`, where the model
        target_tokenizer.json    has vocabularies
        examples.npz             what the live model answered

    with names as in `save_saved_model`. A model that reads images takes
    `image` `(B, H, W, 3)` instead of `tokens`, and S in `attention` is `h, w`.
    Sizes that vary are named `batch`, `source` and `target`. A source without
    columns is read as one column of padding. The files are checked by onnx, run
    by onnxruntime in a process without TensorFlow and Keras, and must answer as
    the live model does. Only then does the directory appear.

    Args:
        model: anything with `start`, `step` (see `keras_attention.generation`)
            and `variables`.
        path: a directory to be; its parent must exist.
        max_length: how many tokens decoding gives at most, the end included.
        overwrite: whether an artifact that is there is replaced, once the new
            one is verified.
        examples: a list of id matrices `(B, S)`, or of images `(B, H, W, 3)`,
            to verify with. By default drawn at random, ids from the
            `source_vocabulary`.
        tolerance: the largest allowed difference of floats, see `verify`; half precision needs
            a larger one.
        search: the beam search, a `keras_attention.generation.BeamSearch`; by
            default `BeamSearch(max_length=max_length)`.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference` and `graphs`.

    Raises:
        ValueError: for a model that does not decode, a `max_length` that is
            not positive, and a `search` that is none.
        FileExistsError: where the target is there and `overwrite` is not set.
        OSError: where nothing can be written.
        ImportError: where tf2onnx, onnx or onnxruntime are not installed.
        ExportError: where the model uses an operation that ONNX has not, or
            what was written does not answer as the model does. Nothing is left
            behind then.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export import save_onnx
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     report = save_onnx(model, os.path.join(folder, "speller"))
    >>> report["graphs"]  # doctest: +SKIP
    ['encoder', 'step', 'greedy', 'beam']
    """
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        require(package, "onnx")
    import onnx

    check_positive("max_length", max_length)
    check_decodes(model)
    signatures = ids_signatures(model, max_length, search)
    source = source_of(model)
    batches = source.draw(examples)
    with atomic_directory(path, overwrite, replaceable=examples_file) as folder:
        recorded = record_ids(signatures, source, batches, GRAPHS.values())
        cases = {graph: recorded[name] for graph, name in GRAPHS.items()}
        for graph, name in GRAPHS.items():
            proto = _convert(graph, signatures[name])
            _declare_inputs(proto.graph, signatures[name])
            _name_sizes(proto.graph, cases[graph])
            onnx.save(proto, folder / f"{graph}.onnx")
        write_vocabularies(model, max_length, folder)
        write_examples(folder / "examples.npz", cases)
        return verify_artifact(folder, tolerance, path)


def _convert(graph, signature):
    import tf2onnx

    shapes = {}

    # A function of one dictionary: its keys become the names of the inputs.
    @partial(tf.function, autograph=False)
    def function(tensors):
        outputs = signature(**tensors)
        shapes.update({name: tensor.shape for name, tensor in outputs.items()})
        return outputs

    try:
        with quiet():
            proto, _ = tf2onnx.convert.from_function(
                function, input_signature=[dict(signature.inputs)], opset=OPSET
            )
    except Exception as error:
        raise ExportError(f"{graph}.onnx: the conversion failed: {error}") from error
    # tf2onnx does not raise for an operation that it cannot convert; it copies it.
    foreign = sorted(_foreign_operations(proto.graph))
    if foreign:
        raise ExportError(
            f"{graph}.onnx: the model uses {', '.join(foreign)}, which tf2onnx cannot convert to "
            f"ONNX (opset {OPSET}). Express it by other keras.ops."
        )
    _declare_sizes(proto.graph, shapes)
    return proto


def _foreign_operations(graph):
    import onnx

    for node in graph.node:
        if not onnx.defs.has(node.op_type, OPSET, node.domain):
            yield node.op_type
        for attribute in node.attribute:
            for part in (attribute.g, *attribute.graphs):
                yield from _foreign_operations(part)


def _declare_inputs(graph, signature):
    """Puts back the inputs that the graph does not use: the names are a promise."""
    import onnx

    present = {tensor.name for tensor in graph.input}
    for name, spec in signature.inputs.items():
        if name not in present:
            dtype = onnx.helper.np_dtype_to_tensor_dtype(spec.dtype.as_numpy_dtype)
            graph.input.append(onnx.helper.make_tensor_value_info(name, dtype, list(spec.shape)))


def _declare_sizes(graph, shapes):
    """Writes down the sizes that TensorFlow knows, some of which a conversion forgets."""
    for tensor in graph.output:
        declared = tensor.type.tensor_type.shape.dim
        for size, known in zip(declared, shapes[tensor.name].as_list()):
            if known is not None:
                size.dim_value = known


def _name_sizes(graph, cases):
    """Names every size that varies after what it follows in the recorded examples."""
    named = {name: [case.sizes[name] for case in cases] for name in cases[0].sizes}
    for side, tensors in (("inputs", graph.input), ("outputs", graph.output)):
        for tensor in tensors:
            shapes = [getattr(case, side)[tensor.name].shape for case in cases]
            declared = tensor.type.tensor_type.shape.dim
            while len(declared) < len(shapes[0]):
                declared.add()
            for axis, size in enumerate(declared):
                if size.HasField("dim_value"):
                    continue
                seen = [shape[axis] for shape in shapes]
                same = [name for name, sizes in named.items() if sizes == seen]
                # With one example the batch may be as large as the source is long.
                same = [name for name in same if (name == "batch") == (axis == 0)] or same
                size.dim_param = same[0] if same else f"{tensor.name}_{axis}"
