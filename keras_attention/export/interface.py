"""What the exporter asks of a model: how it decodes, and what it reads and writes with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import keras

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation import DecoderLike, Search, as_decoder
from keras_attention.text import SpecialIds, VocabularyLike, bounds


class HasVariables(Protocol):
    """A model that names all variables that it uses."""

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that it uses."""
        ...


@runtime_checkable
class Exportable(Protocol):
    """A model that can be exported: it decodes, and names all variables that it uses.

    By further attributes a model declares what it reads and writes with. They
    are optional; `interface_of` reads them, and nothing else does:

    - `source_vocabulary`, a vocabulary or the number of ids: the model reads ids.
    - `image_size`, `(height, width)`, and `as_maps(weights)`, which gives weights
      over positions the shape of a map: the model reads images.
    - `target_vocabulary`, or `vocabulary` if it has no other: the vocabulary
      that the model writes with, or the number of ids.
    """

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that `start` and `step` use."""
        ...

    def start(self, inputs: Tensor) -> Structure:
        """The state before the first token."""
        ...

    def step(self, tokens: Tensor, state: Structure) -> tuple[Tensor, Structure, Tensor | None]:
        """Logits, the next state, and the attention weights."""
        ...


@runtime_checkable
class HasSearch(Protocol):
    """A model that remembers the search of its `compile(search=...)`."""

    @property
    def search(self) -> Search: ...


@runtime_checkable
class ReadsIds(Protocol):
    """A model that reads ids."""

    source_vocabulary: VocabularyLike | int


@runtime_checkable
class WrapsModel(Protocol):
    """A model that decodes by a Keras model inside it, such as `Seq2Seq`."""

    model: keras.Model

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the inputs that are known before decoding."""
        ...


@runtime_checkable
class _ReadsImages(Protocol):
    image_size: tuple[int, int]

    def as_maps(self, weights: Tensor) -> Tensor: ...


@runtime_checkable
class _WritesIds(Protocol):
    target_vocabulary: VocabularyLike | int


@runtime_checkable
class _HasOneVocabulary(Protocol):
    vocabulary: VocabularyLike | int


def longest_of(vocabulary: object) -> int | None:
    """How many tokens a model reads of a text; None where it has no vocabulary.

    Example:

    >>> from keras_attention.export.interface import longest_of
    >>> from keras_attention.text import Subwords
    >>> longest_of(Subwords(["a"], longest=128)), longest_of(40)
    (128, None)
    """
    return bounds.longest_of(vocabulary) if isinstance(vocabulary, VocabularyLike) else None


class Interface(NamedTuple):
    """What a model reads and writes with.

    Attributes:
        reads: the `Vocabulary` of the ids that the model reads, or their
            number, or None where the model does not say or reads images.
        writes: the `Vocabulary` of the ids that the model writes, or their
            number, or None.
        image_size: `(height, width)` of the images that the model reads, or
            None if it reads ids.
        as_maps: gives weights over positions the shape that they have for a
            client.
        special_ids: of what the model writes.
        source_special_ids: of what the model reads, if it reads ids.

    Example:

    >>> from keras_attention.export.interface import interface_of
    >>> from keras_attention.models import EncoderDecoder
    >>> interface_of(EncoderDecoder(30, 40, units=16))[:3]
    (30, 40, None)
    """

    reads: VocabularyLike | int | None
    writes: VocabularyLike | int | None
    image_size: tuple[int, int] | None
    as_maps: Callable[[Tensor], Tensor]
    special_ids: SpecialIds
    source_special_ids: SpecialIds

    def reading_vocabulary(self) -> VocabularyLike:
        """The `Vocabulary` that the model reads with.

        Raises:
            ValueError: if there is none.
        """
        if not isinstance(self.reads, VocabularyLike):
            raise ValueError(
                "model: expected a Vocabulary as source_vocabulary, to turn text into ids, "
                f"received {self.reads!r}. Build the model with keras_attention.text.Vocabulary "
                "objects instead of sizes, or export kind='ids'."
            )
        return self.reads

    def writing_vocabulary(self) -> VocabularyLike:
        """The `Vocabulary` that the model writes with.

        Raises:
            ValueError: if there is none.
        """
        if not isinstance(self.writes, VocabularyLike):
            raise ValueError(
                "model: expected a Vocabulary as target_vocabulary (of a model that reads images: "
                f"vocabulary), to turn ids into text, received {self.writes!r}. Build the model "
                "with keras_attention.text.Vocabulary objects instead of sizes, or export "
                "kind='ids'."
            )
        return self.writes


def interface_of(model: object) -> Interface:
    """What a model reads and writes with, see `Exportable`.

    Args:
        model: the model to be exported.

    Returns:
        An `Interface`.
    """
    writes = None
    if isinstance(model, _WritesIds):
        writes = model.target_vocabulary
    elif isinstance(model, _HasOneVocabulary):
        writes = model.vocabulary
    reads = model.source_vocabulary if isinstance(model, ReadsIds) else None
    special = as_decoder(model).special_ids if isinstance(model, DecoderLike) else SpecialIds()
    reading = reads.special_ids if isinstance(reads, VocabularyLike) else special
    if isinstance(model, _ReadsImages):
        height, width = model.image_size
        size = int(height), int(width)
        return Interface(reads, writes, size, model.as_maps, special, reading)
    return Interface(reads, writes, None, _unchanged, special, reading)


def _unchanged(weights: Tensor) -> Tensor:
    return weights


def check_backend() -> None:
    """Refuses a Keras backend that cannot be exported.

    Raises:
        ValueError: if it is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "model: export traces it with TensorFlow; expected the Keras backend 'tensorflow', "
            f"received {keras.backend.backend()!r}."
        )


def check_exportable(model: object) -> None:
    """Refuses a model that does not decode, and a backend that cannot be exported.

    Args:
        model: what the user handed in.

    Raises:
        ValueError: if the model has no `start`, `step` or `variables`, or the
            Keras backend is not TensorFlow.
    """
    check_backend()
    if not isinstance(model, Exportable):
        present = set(dir(model))
        missing = [name for name in ("start", "step", "variables") if name not in present]
        raise ValueError(
            "model: expected a Keras model, or something that decodes, with start(inputs), "
            "step(tokens, state) and variables, such as keras_attention.models.EncoderDecoder, "
            "received "
            f"{type(model).__name__} without {', '.join(missing)}."
        )
