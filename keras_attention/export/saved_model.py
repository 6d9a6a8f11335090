"""SavedModel: the whole decoding as a TensorFlow artifact, for which TensorFlow alone is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_attention._core.quiet import quiet
from keras_attention.export._replay.warmup import write_warmup
from keras_attention.export.batching import write_batching_parameters
from keras_attention.export.errors import ExportError
from keras_attention.export.signatures import raw_variables
from keras_attention.export.writer import Job


class SavedModelWriter:
    """The SavedModel, `PATH/VERSION/`, that `export_model(..., format="saved_model")` writes.

    With `kind="ids"` the signatures are

        beam      tokens (B, S)           -> sequences (B, N, T), scores (B, N), lengths (B, N),
                                             attention (B, N, T, S), the best of N first
        greedy    tokens (B, S)           -> sequences (B, T), scores (B,), lengths (B,),
                                             attention (B, T, S)
        encode    tokens (B, S)           -> the tensors of the state
        step      token (B,), the state   -> logits (B, V), attention (B, S),
                                             next_NAME for each tensor of the state that changed
        score     tokens (B, S),
                  targets (B, T)          -> scores (B,), token_scores (B, T),
                                             attention (B, T, S)
        greedy_prefix, beam_prefix
                  tokens (B, S),
                  prefix (B, P)           -> as greedy and beam, and token_scores of the shape of
                                             sequences

    and with `kind="text"`

        beam      text (B,)               -> texts (B, N), scores (B, N), source_tokens (B, S),
                                             target_tokens (B, N, T), attention (B, N, T, S)
        greedy    text (B,)               -> texts (B,), scores (B,), source_tokens (B, S),
                                             target_tokens (B, T), attention (B, T, S)

    For a model that reads images, `tokens` is `image` `(B, H, W, 3)`, numbers
    from 0 to 255, and S in `attention` is `h, w`, the maps of its `as_maps`.
    With `kind="image"` it takes files, JPEG or PNG of any size, which the graph
    decodes and resizes:

        beam      image_bytes (B,)        -> texts (B, N), scores (B, N), target_tokens (B, N, T),
                                             attention (B, N, T, h, w)
        greedy    image_bytes (B,)        -> texts (B,), scores (B,), target_tokens (B, T),
                                             attention (B, T, h, w)

    A file that is broken, of another format, or of more than 50 million pixels
    makes its request an error. Pixels are read as `tf.io.decode_image` reads
    them: opacity and the orientation in EXIF are ignored.
    A text is cut after the `longest` tokens of its vocabulary.

    Both have `greedy_prefix` and `beam_prefix` too, with `prefix` (B,), the
    text that each answer begins with, and `token_scores` of the shape of
    `target_tokens`. Each kind has `serving_default`: the best hypothesis of
    `beam` in the shape of `greedy`. A model that does not decode has that
    signature alone, its call. Ids that the vocabulary does not have are read as
    the unknown one; inputs of different batch sizes are refused. Ids are int32,
    padded; tokens are padded with empty strings; scores are log-probabilities in
    nats, those of a beam after its penalties. The batch comes first in every
    tensor, and none is a scalar.

    The golden examples are `assets.extra/examples.npz`, and the manifest is
    `assets.extra/manifest.json`. One request per
    signature is in `assets.extra/tf_serving_warmup_requests`, which TensorFlow
    Serving runs before it accepts clients. With `kind="text"` there is
    `batching_params.pbtxt` as well, beside `saved_model.pb`, where the server
    looks for it. The artifact is verified through TensorFlow's Python loader
    and its TF1 loader.

    A text artifact of a model with subwords uses operations of tensorflow-text.
    TensorFlow Serving has them; elsewhere they must be loaded first.
    """

    kinds: tuple[str, ...] = ("ids", "call", "text", "image")
    has_versions = True
    batch: int | None = None
    holds_empty = True
    graphs: dict[str, str] | None = None
    verb = "tracing"
    golden_file = "assets.extra/examples.npz"
    packages: tuple[str, ...] = ("keras", "tensorflow", "numpy")

    def check_installed(self) -> None:
        """TensorFlow is enough."""

    def check_model(self, model: object) -> None:
        """Any model fits."""

    def tracing(self) -> AbstractContextManager[None]:
        """Nothing in particular."""
        return contextlib.nullcontext()

    def convert(self, name: str, job: Job) -> Any:
        """One signature as a concrete function."""
        signature = job.signatures[name]
        function = tf.function(signature, autograph=False)
        return function.get_concrete_function(**signature.inputs)

    def write(self, converted: dict[str, Any], job: Job, folder: Path) -> None:
        """Writes the SavedModel and what TensorFlow Serving reads beside it."""
        module = tf.Module()
        module.model_variables = raw_variables(job.model)
        module.tables = job.resources
        try:
            with quiet(), _disk_errors(folder):
                tf.saved_model.save(module, str(folder), signatures=converted)
        except (AssertionError, ValueError) as error:
            raise ExportError(
                "TensorFlow cannot save the model. Are all its variables in model.variables? "
                f"TensorFlow says: {str(error).splitlines()[0]}"
            ) from error
        # The largest request of each signature makes a server allocate what it will need.
        requests = [(name, examples[-1].inputs) for name, examples in job.examples.items()]
        (folder / "assets.extra").mkdir(exist_ok=True)
        with _disk_errors(folder):
            write_warmup(folder, job.name, requests)
        if job.kind == "text":
            write_batching_parameters(folder)


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turns TensorFlow's errors of a disk into `OSError`."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = str(error.message).splitlines()[0]
        raise OSError(f"{folder} cannot be written: TensorFlow says: {reason}") from error
