"""SavedModel: the whole decoding as a TensorFlow artifact, for which TensorFlow alone is needed."""

import contextlib
from pathlib import Path

import tensorflow as tf

from keras_attention._core.checks import check_positive
from keras_attention._core.quiet import quiet
from keras_attention.export.errors import ExportError
from keras_attention.export.golden import record_ids, record_text, write_examples
from keras_attention.export.replay import examples_file
from keras_attention.export.replay.warmup import write_warmup
from keras_attention.export.signatures import (
    check_decodes,
    ids_signatures,
    raw_variables,
    text_signatures,
)
from keras_attention.export.sources import source_of
from keras_attention.export.verification import TOLERANCE, verify_artifact
from keras_attention.export.writing import atomic_directory


def save_saved_model(
    model,
    path,
    kind="ids",
    version=None,
    max_length=64,
    overwrite=False,
    examples=None,
    tolerance=TOLERANCE,
    search=None,
):
    """Writes a model with its decoding loop as a SavedModel, `PATH/VERSION/`, and verifies it.

    With `kind="ids"` the signatures are

        beam      tokens (B, S)           -> sequences (B, N, T), scores (B, N), lengths (B, N),
                                             attention (B, N, T, S), the best of N first
        greedy    tokens (B, S)           -> sequences (B, T), scores (B,), lengths (B,),
                                             attention (B, T, S)
        encode    tokens (B, S)           -> the tensors of the state
        step      token (B,), the state   -> logits (B, V), attention (B, S),
                                             next_NAME for what changed of the state
        score     tokens (B, S),
                  targets (B, T)          -> scores (B,), token_scores (B, T),
                                             attention (B, T, S)

    and with `kind="text"`

        beam      text (B,)               -> texts (B, N), scores (B, N), source_tokens (B, S),
                                             target_tokens (B, N, T), attention (B, N, T, S)
        greedy    text (B,)               -> texts (B,), scores (B,), source_tokens (B, S),
                                             target_tokens (B, T), attention (B, T, S)

    For a model that reads images, one with an `image_size` `(H, W)`, `tokens`
    is `image` `(B, H, W, 3)`, numbers from 0 to 255, and S in `attention` is
    `h, w`, the maps of its `as_maps`. With `kind="image"` it takes files, JPEG
    or PNG of any size, which the graph decodes and resizes:

        beam      image_bytes (B,)        -> texts (B, N), scores (B, N), target_tokens (B, N, T),
                                             attention (B, N, T, h, w)
        greedy    image_bytes (B,)        -> texts (B,), scores (B,), target_tokens (B, T),
                                             attention (B, T, h, w)

    A file that is broken, or of another format, makes its request an error.

    Each has `serving_default` too, which is the best of `beam` in the shape
    of `greedy`. Ids are int32, padded with 0; tokens are padded with empty
    strings; scores are log-probabilities in nats, those of a beam after its
    penalties. The batch comes first in every tensor, and nothing is a scalar.

    Answers of the live model are recorded first, and lie in the artifact as
    `assets.extra/examples.npz`; one request a signature is repeated as
    `assets.extra/tf_serving_warmup_requests`, which TensorFlow Serving runs
    before it lets clients in. What was written is loaded again by a fresh
    process that cannot import Keras, through TensorFlow's Python loader and
    its TF1 loader, and must answer the same. Only then does it appear.

    A model with subwords takes operations of tensorflow-text along in its text
    artifact. TensorFlow Serving has them; elsewhere they must be loaded first.

    Args:
        model: anything with `start`, `step` (see `keras_attention.generation`)
            and `variables`. For text its `source_vocabulary` and
            `target_vocabulary` must be `Vocabulary` objects, for files of
            images its `vocabulary`.
        path: a directory, made where it is missing; its parent must exist.
        kind: `"ids"`, `"text"`, or `"image"`.
        version: the name of the directory below `path`, a positive integer;
            by default the number after the highest that is there.
        max_length: how many tokens decoding gives at most, the end included.
        overwrite: whether a version that is there is replaced, once the new one
            is verified; without a `version` that is the highest.
        examples: what to verify with: a list of id matrices `(B, S)` or of
            images `(B, H, W, 3)`, for text a list of lists of strings, for
            files a list of lists of bytes. By default drawn at random, ids and
            text from the `source_vocabulary`.
        tolerance: the largest allowed difference of floats, see `verify`; half precision needs
            a larger one.
        search: the beam search, a `keras_attention.generation.BeamSearch`; by
            default `BeamSearch(max_length=max_length)`.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference`, `signatures` and
        `version`.

    Raises:
        ValueError: for a model that does not decode or, for text and files,
            has no vocabularies; for kinds that are unknown or not what the
            model reads, numbers that are not positive, and a `search` that is
            none.
        FileExistsError: where the target is there and `overwrite` is not set.
        OSError: where nothing can be written, or the disk is full.
        ExportError: where what was written does not answer as the model does.
            Nothing is left behind then.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export import save_saved_model
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     report = save_saved_model(model, os.path.join(folder, "speller"))
    >>> report["ids_equal"]  # doctest: +SKIP
    True
    """
    if version is not None:
        check_positive("version", version)
    check_positive("max_length", max_length)
    check_decodes(model)
    source, tables = source_of(model, kind), []
    if kind == "ids":
        signatures, record = ids_signatures(model, max_length, search), record_ids
    else:
        signatures, tables = text_signatures(model, max_length, search, kind)
        record = record_text
    batches = source.draw(examples)

    version = next_version(path, overwrite) if version is None else version
    target = Path(path, str(version))
    with atomic_directory(target, overwrite, replaceable=examples_file) as folder:
        cases = record(signatures, source, batches)
        _write(model, signatures, tables, folder)
        write_examples(folder / "assets.extra" / "examples.npz", cases)
        # The largest request of each signature makes a server allocate what it will need.
        requests = [(name, recorded[-1].inputs) for name, recorded in cases.items()]
        with _disk_errors(folder):
            write_warmup(folder, Path(path).name, requests)
        return {**verify_artifact(folder, tolerance, target), "version": version}


def next_version(path, overwrite=False):
    """The version to be written below a path: one more than the highest, or that one again.

    Args:
        path: a directory, or where one is to be.
        overwrite: whether the highest is to be replaced.

    Returns:
        A positive integer.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export.saved_model import next_version
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkdir(os.path.join(folder, "7"))
    ...     next_version(folder), next_version(folder, overwrite=True), next_version("nowhere")
    (8, 7, 1)
    """
    path = Path(path)
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    highest = max((int(name) for name in names if name.isdecimal()), default=0)
    return max(1, highest if overwrite else highest + 1)


def _write(model, signatures, tables, folder):
    module = tf.Module()
    module.model_variables = raw_variables(model)
    module.tables = tables
    functions = {
        name: tf.function(signature, autograph=False).get_concrete_function(**signature.inputs)
        for name, signature in signatures.items()
    }
    try:
        with quiet(), _disk_errors(folder):
            tf.saved_model.save(module, str(folder), signatures=functions)
    except (AssertionError, ValueError) as error:
        raise ExportError(
            "TensorFlow cannot save the model. Are all its variables in model.variables? "
            f"TensorFlow says: {str(error).splitlines()[0]}"
        ) from error


@contextlib.contextmanager
def _disk_errors(folder):
    """Has what TensorFlow reports of a disk be an `OSError`, as from everybody else."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = str(error.message).splitlines()[0]
        raise OSError(f"{folder} cannot be written: TensorFlow says: {reason}") from error
