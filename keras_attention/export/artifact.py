"""A loaded artifact: what it answers, by the runtime that it is made for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from keras_attention._core.checks import check_choice, check_positive
from keras_attention._core.optional import require
from keras_attention._core.types import Config
from keras_attention.export._replay.artifact import Arrays, Run, artifact_kind
from keras_attention.export._replay.comparing import first_line
from keras_attention.export._replay.litert import load_litert
from keras_attention.export._replay.manifest import check_manifest, read_manifest
from keras_attention.export._replay.onnx import load_onnx
from keras_attention.export._replay.saved_model import load_saved_model
from keras_attention.export.answers import generations, request
from keras_attention.export.errors import ExportError
from keras_attention.export.inspection import signatures_of
from keras_attention.export.verification import NO_MANIFEST, artifacts
from keras_attention.export.vocabularies import Vocabularies, read_vocabularies
from keras_attention.generation import Generation

_BATCH = 64
# The graphs of a format, one by one: the package that runs them, its extra, and how.
_GRAPHS: dict[str, tuple[str, str, Callable[[str, str], Run]]] = {
    "onnx": ("onnxruntime", "onnx", load_onnx),
    "litert": ("ai_edge_litert.interpreter", "litert", load_litert),
}


class Artifact:
    """A SavedModel, or a directory of ONNX or LiteRT files, ready to answer.

    It is run by TensorFlow, onnxruntime or ai-edge-litert in this process. The
    Keras model that it was made of is not needed. Its files are compared with
    its manifest first; nothing is loaded of one that does not fit.

    Args:
        path: the artifact; of a directory of versions the highest.

    Attributes:
        folder: where it lies.
        manifest: its `manifest.json`; empty where it has none, which is a
            warning.
        signatures: for each signature or graph its `inputs` and `outputs`,
            names with `dtype` and `shape`.

    Raises:
        FileNotFoundError: if there is no artifact.
        ExportError: if it is not what its manifest lists, or cannot be loaded.
        ImportError: if the package is missing that runs it.

    Example:

    >>> from keras_attention.export import Artifact
    >>> Artifact("nowhere")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere does not exist.
    >>> speller = Artifact("served/spelling")  # doctest: +SKIP
    >>> speller.generate(["attention"])[0].text  # doctest: +SKIP
    'AH T EH N SH AH N'
    >>> speller("greedy", text=["attention"])["scores"].shape  # doctest: +SKIP
    (1,)
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = artifacts(path)[-1]
        kind = artifact_kind(self.folder)
        if kind is None:
            raise FileNotFoundError(f"{self.folder} holds no artifact.")
        try:
            fits = check_manifest(self.folder)
        except RuntimeError as error:
            raise ExportError(f"{self.folder} cannot be loaded: {error}") from error
        if not fits:
            warnings.warn(NO_MANIFEST.format(self.folder), stacklevel=2)
        self.manifest: Config = read_manifest(self.folder) or {}
        self.signatures: Config = _checked(self.manifest.get("signatures"))
        if not self.signatures:
            self.signatures = signatures_of(self.folder, kind)
        self._batch = 1 if kind == "litert" else None
        self._runs = _runs(self.folder, kind)
        self._vocabularies = cache(partial(read_vocabularies, self.folder))

    def __call__(self, signature: str, /, **inputs: Any) -> Arrays:
        """The answer of one signature or graph.

        Args:
            signature: its name, such as `"greedy"`.
            **inputs: arrays, or lists, by name; they get the dtype that the
                signature has. Texts are strings.

        Returns:
            Arrays by name; texts in them are `bytes`, as in TensorFlow.

        Raises:
            ValueError: for another signature, and inputs of other names.
            ExportError: if the runtime refuses the inputs.
        """
        check_choice("signature", signature, tuple(self.signatures))
        specs = self.signatures[signature]["inputs"]
        if set(specs) != set(inputs):
            raise ValueError(
                f"inputs: expected {', '.join(sorted(specs))} for {signature!r}, received "
                f"{', '.join(sorted(inputs)) or 'none'}."
            )
        arrays = {name: _array(name, given, specs[name]["dtype"]) for name, given in inputs.items()}
        try:
            return self._runs(signature)(arrays)
        except Exception as error:
            raise ExportError(f"{self.folder}, {signature}: {first_line(error)}") from error

    @overload
    def generate(
        self,
        inputs: Sequence[Any],
        signature: str = ...,
        n_best: None = None,
        batch_size: int | None = None,
    ) -> list[Generation]: ...

    @overload
    def generate(
        self,
        inputs: Sequence[Any],
        signature: str = ...,
        *,
        n_best: int,
        batch_size: int | None = None,
    ) -> list[list[Generation]]: ...

    def generate(
        self,
        inputs: Sequence[Any],
        signature: str = "beam",
        n_best: int | None = None,
        batch_size: int | None = None,
    ) -> list[Generation] | list[list[Generation]]:
        """Texts for `inputs`, as `generate` of the model gives them.

        Args:
            inputs: texts, or files of images as `bytes`, or arrays
                `(H, W, 3)`, according to the artifact. One that takes ids needs
                the vocabularies that ONNX and LiteRT artifacts have.
            signature: `"beam"`, `"greedy"` or `"serving_default"`.
            n_best: the number of hypotheses of each input, at most as many as
                the artifact gives; by default the best alone.
            batch_size: the number of inputs that are decoded at once, by default
                64; LiteRT takes them one by one.

        Returns:
            A list of `Generation`, one per input, in their order. With `n_best`
            a list of lists, the best first.

        Raises:
            ValueError: for an artifact that does not decode or has no
                vocabularies, and inputs that it does not take.
        """
        if isinstance(inputs, (str, bytes)):
            raise ValueError(f"inputs: expected a list, received {inputs!r:.80}.")
        check_choice("signature", signature, tuple(self.signatures))
        if n_best is not None:
            check_positive("n_best", n_best)
        size = _BATCH if batch_size is None else check_positive("batch_size", batch_size)
        size = self._batch or size
        found = [
            hypotheses[: n_best or 1]
            for begin in range(0, len(inputs), size)
            for hypotheses in self._decoded(inputs[begin : begin + size], signature)
        ]
        return [best for best, *_ in found] if n_best is None else found

    def _decoded(self, inputs: Sequence[Any], signature: str) -> Iterator[list[Generation]]:
        """The hypotheses of one batch."""
        (name, *others) = self.signatures[signature]["inputs"]
        outputs = self.signatures[signature]["outputs"]
        if others or not {"texts", "sequences"} & set(outputs):
            raise ValueError(
                f"signature: expected one that decodes, such as 'beam', received {signature!r}."
            )
        vocabularies = Vocabularies() if "texts" in outputs else self._vocabularies()
        array, read = request(name, inputs, vocabularies)
        return generations(self(signature, **{name: array}), read, vocabularies)


def _runs(folder: Path, kind: str) -> Callable[[str], Run]:
    """Gives a signature by its name; graphs are loaded when they are first asked for.

    Raises:
        ExportError: if the artifact cannot be loaded.
        ImportError: if the package is missing that runs it.
    """
    if kind in _GRAPHS:
        package, extra, load = _GRAPHS[kind]
        require(package, extra)
        return cache(partial(load, str(folder)))
    try:
        return load_saved_model(str(folder)).__getitem__
    except Exception as error:
        raise ExportError(f"{folder} cannot be loaded: {first_line(error)}") from error


def _checked(signatures: Any) -> Config:
    """The signatures of a manifest, whoever wrote it; none if they are not as `describe` has them.

    Those of the files themselves are read then.
    """
    try:
        names = [
            str(tensor["dtype"])
            for signature in signatures.values()
            for side in ("inputs", "outputs")
            for tensor in signature[side].values()
        ]
    except (AttributeError, KeyError, TypeError):
        return {}
    return dict(signatures) if names else {}


def _array(name: str, given: Any, dtype: str) -> np.ndarray[Any, Any]:
    """An array as a signature takes it; strings as objects, which keep every character."""
    try:
        return np.asarray(given, object if dtype == "string" else dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: expected an array of {dtype}, received {' '.join(repr(given).split()):.80}."
        ) from error
