"""LiteRT: encoder, step and decoding of one row at a time, for phones and small machines."""

import tensorflow as tf

from keras_attention._core.backend.loops import without_arrays
from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require
from keras_attention._core.quiet import quiet, silent_stderr
from keras_attention.export.errors import ExportError
from keras_attention.export.golden import record_ids, write_examples
from keras_attention.export.replay import examples_file
from keras_attention.export.signatures import check_decodes, ids_signatures, raw_variables
from keras_attention.export.sources import source_of
from keras_attention.export.verification import TOLERANCE, verify_artifact
from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.export.writing import atomic_directory

GRAPHS = {"encoder": "encode", "step": "step", "greedy": "greedy", "beam": "beam"}


def save_litert(
    model,
    path,
    max_length=64,
    overwrite=False,
    examples=None,
    tolerance=TOLERANCE,
    search=None,
):
    """Writes a model with its decoding loop for LiteRT, and verifies it.

    The directory holds

        encoder.tflite    tokens (1, S)          -> the tensors of the state
        step.tflite       token (B,), the state  -> logits (B, V), attention (B, S),
                                                    next_NAME for what changed of the state
        greedy.tflite     tokens (1, S)          -> sequences (1, T), scores (1,), lengths (1,),
                                                    attention (1, T, S)
        beam.tflite       tokens (1, S)          -> sequences (1, N, T), scores (1, N),
                                                    lengths (1, N), attention (1, N, T, S)

    and the vocabularies and examples of `save_onnx`, with the same names; a
    model that reads images takes `image` `(1, H, W, 3)` likewise. S is
    any number; what runs a loop takes one row, the step takes any number of
    them. Only operations that LiteRT itself has are used. The files are run by
    ai-edge-litert in a process without TensorFlow and Keras, and must answer as
    the live model does. Only then does the directory appear.

    Args:
        model, path, max_length, overwrite, tolerance, search: as in `save_onnx`.
        examples: a list of id matrices `(1, S)`, or of images `(1, H, W, 3)`,
            to verify with, by default drawn as in `save_onnx`.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference` and `graphs`.

    Raises:
        ValueError: as `save_onnx`, and for examples of several rows.
        FileExistsError: where the target is there and `overwrite` is not set.
        OSError: where nothing can be written.
        ImportError: where ai-edge-litert is not installed.
        ExportError: where the model uses an operation that LiteRT has not, or
            what was written does not answer as the model does. Nothing is left
            behind then.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export import save_litert
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     report = save_litert(model, os.path.join(folder, "speller"))
    >>> report["graphs"]  # doctest: +SKIP
    ['encoder', 'step', 'greedy', 'beam']
    """
    require("ai_edge_litert.interpreter", "litert")
    check_positive("max_length", max_length)
    check_decodes(model)
    source = source_of(model)
    batches = source.draw(examples)
    if examples is not None and any(len(ids) != 1 for ids in batches):
        received = ", ".join(str(ids.shape) for ids in batches)
        raise ValueError(f"examples: expected arrays of one row, received shapes {received}.")
    # What is drawn has several; each row alone, as long as it is.
    rows = [row for batch in batches for row in source.alone(batch)]
    with without_arrays():
        signatures = ids_signatures(model, max_length, search, batch=1)
        with atomic_directory(path, overwrite, replaceable=examples_file) as folder:
            cases = record_ids(signatures, source, rows, GRAPHS.values())
            cases = {graph: cases[name] for graph, name in GRAPHS.items()}
            for graph, name in GRAPHS.items():
                content = _convert(graph, signatures[name], model)
                (folder / f"{graph}.tflite").write_bytes(content)
            write_vocabularies(model, max_length, folder)
            write_examples(folder / "examples.npz", cases)
            return verify_artifact(folder, tolerance, path)


def _convert(graph, signature, model):
    module = tf.Module()
    module.variables_of_model = raw_variables(model)
    function = tf.function(signature, autograph=False)
    try:
        with quiet(), silent_stderr():
            concrete = function.get_concrete_function(**signature.inputs)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
            return converter.convert()
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if "error: " in line), str(error))
        raise ExportError(
            f"{graph}.tflite: LiteRT cannot run this model: {reason.strip()[:300]}"
        ) from error
