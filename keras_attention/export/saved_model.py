"""SavedModel: the whole decoding as a TensorFlow artifact, for which TensorFlow alone is needed."""

from pathlib import Path

import keras
import tensorflow as tf

from keras_attention.checks import check_choice, check_positive
from keras_attention.export.errors import ExportError
from keras_attention.export.examples import (
    draw_ids,
    draw_texts,
    record_ids,
    record_text,
    write_examples,
)
from keras_attention.export.quiet import quiet
from keras_attention.export.replay import examples_file
from keras_attention.export.signatures import check_decodes, ids_signatures, text_signatures
from keras_attention.export.verification import TOLERANCE, verify_artifact
from keras_attention.export.writing import atomic_directory

# The search that answers where a client names no signature.
SERVED = "greedy"


def save_saved_model(
    model,
    path,
    kind="ids",
    version=1,
    max_length=64,
    overwrite=False,
    examples=None,
    tolerance=TOLERANCE,
):
    """Writes a model with its decoding loop as a SavedModel, `PATH/VERSION/`, and verifies it.

    With `kind="ids"` the signatures are

        greedy    tokens (B, S)           -> sequences (B, T), scores (B,), lengths (B,),
                                             attention (B, T, S)
        encode    tokens (B, S)           -> the tensors of the state
        step      token (B,), the state   -> logits (B, V), attention (B, S),
                                             next_NAME for what changed of the state
        score     tokens (B, S),
                  targets (B, T)          -> scores (B,), token_scores (B, T),
                                             attention (B, T, S)

    and with `kind="text"`

        greedy    text (B,)               -> texts (B,), scores (B,), source_tokens (B, S),
                                             target_tokens (B, T), attention (B, T, S)

    each time with `serving_default`, which is `greedy`. Ids are int32, padded
    with 0; tokens are padded with empty strings; scores are log-probabilities
    in nats. The batch comes first in every tensor, and nothing is a scalar.

    Answers of the live model are recorded first, and lie in the artifact as
    `assets.extra/examples.npz`. What was written is loaded again by a fresh
    process that cannot import Keras, through TensorFlow's Python loader and
    its TF1 loader, and must answer the same. Only then does it appear.

    Args:
        model: anything with `start`, `step` (see `keras_attention.generation`)
            and `variables`. For text its `source_vocabulary` and
            `target_vocabulary` must be `Vocabulary` objects.
        path: a directory, made where it is missing; its parent must exist.
        kind: `"ids"` or `"text"`.
        version: the name of the directory below `path`, a positive integer.
        max_length: how many tokens decoding gives at most, the end included.
        overwrite: whether an artifact that is there is replaced, once the new
            one is verified.
        examples: what to verify with: a list of id matrices `(B, S)`, or for
            text a list of lists of strings. By default drawn from the
            `source_vocabulary`.
        tolerance: the largest allowed difference of floats, see `verify`; half precision needs
            a larger one.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference` and `signatures`.

    Raises:
        ValueError: for a model that does not decode or, for text, has no
            vocabularies; for unknown kinds, and numbers that are not positive.
        FileExistsError: where the target is there and `overwrite` is not set.
        OSError: where nothing can be written.
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
    check_choice("kind", kind, ("ids", "text"))
    check_positive("version", version)
    check_positive("max_length", max_length)
    check_decodes(model)
    tables = []
    if kind == "ids":
        signatures = ids_signatures(model, max_length)
        batches = draw_ids(model, examples)
        record = record_ids
    else:
        signatures, tables = text_signatures(model, max_length)
        batches = draw_texts(model, examples)
        record = record_text

    target = Path(path, str(version))
    with atomic_directory(target, overwrite, replaceable=examples_file) as folder:
        cases = record(signatures, batches)
        cases["serving_default"] = cases[SERVED]
        _write(model, signatures, tables, folder)
        write_examples(folder / "assets.extra" / "examples.npz", cases)
        return verify_artifact(folder, tolerance, target)


def _write(model, signatures, tables, folder):
    module = tf.Module()
    # The raw variables, never the model: Keras' own tracking would save each
    # variable twice, and TensorFlow Serving restore only one of the two.
    module.model_variables = [
        v.value if isinstance(v, keras.Variable) else v for v in model.variables
    ]
    module.tables = tables
    functions = {
        name: tf.function(signature, autograph=False).get_concrete_function(**signature.inputs)
        for name, signature in signatures.items()
    }
    functions["serving_default"] = functions[SERVED]
    try:
        with quiet():
            tf.saved_model.save(module, str(folder), signatures=functions)
    except (AssertionError, ValueError) as error:
        raise ExportError(
            "TensorFlow cannot save the model. Are all its variables in model.variables? "
            f"TensorFlow says: {str(error).splitlines()[0]}"
        ) from error
