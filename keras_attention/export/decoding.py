"""What is exported of a model that decodes: its steps, its searches, and scores of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from keras_attention.export.golden import GoldenExample, record_ids, record_text
from keras_attention.export.interface import Exportable, interface_of
from keras_attention.export.replacer import replacer_of
from keras_attention.export.signatures import Signature, ids_signatures, text_signatures
from keras_attention.export.sources import Source, source_of
from keras_attention.generation import BeamSearch


class DecodingExport:
    """The signatures of a model that decodes, and batches to verify them with.

    Args:
        model: see `Exportable`.
        kind: `"ids"`, `"text"` or `"image"`.
        search: the settings of decoding.
        batch: number of examples of the source, None for any.
        examples: batches to verify with, see `export_model`.
        replace_unknown: see `export_model`.

    Attributes:
        signatures: the functions of the artifact, after `trace`.
        resources: what a SavedModel must keep besides the variables.
        count: the number of batches to record.

    Raises:
        ValueError: for a kind that the model does not read, and examples of
            other shapes.
    """

    def __init__(
        self,
        model: Exportable,
        kind: str,
        search: BeamSearch,
        batch: int | None = None,
        examples: Iterable[Any] | None = None,
        replace_unknown: bool | Mapping[str, str] = False,
    ) -> None:
        if replace_unknown is not False:
            interface = interface_of(model)
            replacer_of(replace_unknown, kind, interface.reads, interface.writes)
        self._replace_unknown = replace_unknown
        self._model, self._kind, self._search, self._batch = model, kind, search, batch
        self._source = source_of(model, kind)
        self._batches = _batches(self._source, batch, examples)
        self.count = len(self._batches)
        self.resources: list[Any] = []
        self.signatures: dict[str, Signature] = {}

    def trace(self) -> None:
        """Makes the signatures, for the format that is being written."""
        if self._kind == "ids":
            self.signatures = ids_signatures(self._model, self._search, self._batch)
        else:
            found = text_signatures(self._model, self._search, self._kind, self._replace_unknown)
            self.signatures, self.resources = found

    def graphs(self, files: dict[str, str] | None) -> dict[str, str]:
        """Names in the artifact and their signatures: the files of the format, or all."""
        return files or {name: name for name in self.signatures}

    def record(
        self, names: Iterable[str], progress: Callable[[str], None]
    ) -> dict[str, list[GoldenExample]]:
        """The answers of the live model."""
        given = (self.signatures, self._source, self._batches, list(names), progress)
        if self._kind == "ids":
            return record_ids(*given)
        return record_text(*given, interface_of(self._model).writing_vocabulary())


def _batches(
    source: Source, batch: int | None, examples: Iterable[Any] | None
) -> list[np.ndarray[Any, Any]]:
    """The batches to verify with, of the size that the format takes."""
    batches = source.batches(examples)
    if batch is None:
        return batches
    if examples is None:
        return [single for many in batches for single in source.singles(many)]
    if any(len(one) != batch for one in batches):
        received = ", ".join(str(one.shape) for one in batches)
        raise ValueError(f"examples: expected batches of one example, received shapes {received}.")
    return batches
