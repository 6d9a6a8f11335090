"""SavedModels that translate texts: where they are, what they hold, and how they are called."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Sequence
from typing import NamedTuple

from keras_attention._core.quiet import silent_stderr
from keras_attention.export.batch.files import blocks, exists, listed
from keras_attention.export.batch.translating import Translate

_GRAPH = "saved_model.pb"
_LOADING = threading.Lock()


class Artifact(NamedTuple):
    """A signature of a SavedModel, and the SHA-256 of what the SavedModel computes."""

    path: str
    signature: str
    sha256: str


def find_artifact(path: str, signature: str) -> Artifact:
    """The SavedModel at a path, or the highest version below it.

    Raises:
        FileNotFoundError: where there is none.
    """
    path = path.rstrip("/")
    if not exists(f"{path}/{_GRAPH}"):
        versions = [found.partition("/")[0] for found in listed(path, f"*/{_GRAPH}")]
        versions = [version for version in versions if version.isdecimal()]
        if not versions:
            raise FileNotFoundError(
                f"{path} holds no SavedModel: expected {_GRAPH}, or VERSION/{_GRAPH}."
            )
        path = f"{path}/{max(versions, key=int)}"
    return Artifact(path, signature, fingerprint(path))


def fingerprint(path: str) -> str:
    """The SHA-256 of what a SavedModel computes: of its graph, variables and assets."""
    digest = hashlib.sha256()
    for name in (_GRAPH, *sorted(listed(path, "variables/*") | listed(path, "assets/*"))):
        for block in blocks(f"{path}/{name}"):
            digest.update(block)
    return digest.hexdigest()


def loaded(artifact: Artifact) -> Translate:
    """A function that translates texts; what was loaded last stays in memory.

    Raises:
        ValueError: where the SavedModel has changed since it was found, the
            signature is missing, or it is none for text.
    """
    # A worker may have several threads, and begins many times.
    with _LOADING:
        return _load(artifact)


@functools.lru_cache(maxsize=1)
def _load(artifact: Artifact) -> Translate:
    path, signature, sha256 = artifact
    if fingerprint(path) != sha256:
        raise ValueError(
            f"{path}: expected the SavedModel that this run began with, received another: its "
            "SHA-256 differs. Do the workers see the same files?"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr():
        import tensorflow as tf

        with contextlib.suppress(ImportError):
            # Brings the operations of subword tokenizers.
            import tensorflow_text  # noqa: F401
    model = tf.saved_model.load(path)
    if signature not in model.signatures:
        raise ValueError(
            f"{path} has no signature {signature!r}; it has {', '.join(model.signatures)}."
        )
    run = model.signatures[signature]
    inputs = set(run.structured_input_signature[1])
    if inputs != {"text"} or not {"texts", "scores"} <= set(run.structured_outputs):
        raise ValueError(
            f"{path} takes {', '.join(sorted(inputs))}: expected an artifact for text, such as "
            "keras-attention export writes with --kind text."
        )

    # TensorFlow frees a loaded SavedModel once nothing refers to it.
    def translate(texts: Sequence[str], model: object = model) -> list[tuple[str, float]]:
        found = run(text=tf.constant(texts))
        best, scores = found["texts"].numpy(), found["scores"].numpy()
        if best.ndim == 2:  # several hypotheses, best first
            best, scores = best[:, 0], scores[:, 0]
        return [(t.decode("utf-8", "replace"), float(s)) for t, s in zip(best, scores)]

    return translate
