"""What is exported of a model that decodes: its steps, its searches, and scores of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keras_attention.export.golden import GoldenExample, record_ids, record_text
from keras_attention.export.interface import Exportable, interface_of, longest_of
from keras_attention.export.replacer import replacer_of
from keras_attention.export.signatures import Signature, ids_signatures, text_signatures
from keras_attention.export.sources import source_of
from keras_attention.generation.any_model.graph import is_functional, names_of, table_sizes
from keras_attention.generation.any_model.ports import TARGET_NAMES
from keras_attention.generation.settings import SearchSettings
from keras_attention.models import Seq2Seq
from keras_attention.text.vocabularies import vocabulary_size


class DecodingExport:
    """The signatures of a model that decodes, and batches to verify them with.

    Args:
        model: see `Exportable`.
        kind: `"ids"`, `"text"` or `"image"`.
        search: the settings of decoding.
        batch: number of examples of the source, None for any.
        examples: batches to verify with, see `export_model`.
        replace_unknown: see `export_model`.
        holds_empty: see `Writer`.

    Attributes:
        signatures: the functions of the artifact, after `trace`.
        resources: what a SavedModel must keep besides the variables.
        count: the number of batches to record.
        longest: how many tokens are read of a text, None if it has no limit.

    Raises:
        ValueError: for a kind that the model does not read, and examples of
            other shapes.
    """

    def __init__(
        self,
        model: Exportable,
        kind: str,
        search: SearchSettings,
        batch: int | None = None,
        examples: Iterable[Any] | None = None,
        replace_unknown: bool | Mapping[str, str] = False,
        holds_empty: bool = True,
    ) -> None:
        if replace_unknown is not False:
            interface = interface_of(model)
            replacer_of(replace_unknown, kind, interface.reads, interface.writes)
        self._replace_unknown, self._holds_empty = replace_unknown, holds_empty
        self._model, self._kind, self._search, self._batch = model, kind, search, batch
        self._source = source_of(model, kind)
        self.longest = longest_of(interface_of(model).reads)
        self._batches = self._source.named_batches(examples, batch)
        self.count = len(self._batches)
        self.resources: list[Any] = []
        self.signatures: dict[str, Signature] = {}

    def trace(self) -> None:
        """Makes the signatures, for the format that is being written."""
        if self._kind == "ids":
            self.signatures = ids_signatures(
                self._model, self._search, self._batch, self._holds_empty
            )
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


def decoding_model(model: Any, required: bool = False) -> Any:
    """A functional model that decodes as a `Seq2Seq`; any other as it is.

    A model decodes where it has a target, by its name or because its logits are
    over the ids of its embedding, and `as_decoder` takes it.

    Args:
        model: what the user handed in.
        required: whether a model that does not decode is refused.

    Raises:
        ValueError: if it is required to decode and does not.

    Example:

    >>> import keras
    >>> from keras_attention.export.decoding import decoding_model
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> decoding_model(model) is model
    True
    """
    if isinstance(model, Exportable) or not is_functional(model):
        return model
    try:
        wrapped = Seq2Seq(model)
        wrapped.decoder  # noqa: B018 (proved at first use)
    except ValueError:
        if required:
            raise
        return model
    return wrapped if required or _writes_its_ids(wrapped) else model


def _writes_its_ids(model: Seq2Seq) -> bool:
    """Whether the target is one, and not the words of a tagger."""
    ports, inside = model.ports, model.model
    sizes = table_sizes(inside, names_of(inside)[ports.target])
    return ports.target in TARGET_NAMES or vocabulary_size(model.target_vocabulary) in sizes
