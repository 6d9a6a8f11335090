"""What the exporter asks of a model: how it decodes, and what it reads and writes with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import keras

from keras_attention._core.types import Structure, Tensor
from keras_attention.text import VocabularyLike


class Exportable(Protocol):
    """A model that can be exported: the decoder's methods, and all variables they use.

    A model declares by these optional attributes what it reads and writes with;
    `interface_of` reads them, and nothing else does:

    - `source_vocabulary`, a `Vocabulary` or the number of ids: the model reads ids.
    - `image_size`, `(height, width)`, with `as_maps`, which gives weights over
      positions the shape of a map: the model reads images.
    - `target_vocabulary`, or `vocabulary` if it has no other: the `Vocabulary`
      that the model writes with, or the number of ids.
    """

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that `start` and `step` use."""
        ...

    def start(self, inputs: Tensor) -> Structure:
        """The state before the first token."""
        ...

    def step(self, tokens: Tensor, state: Structure) -> tuple[Tensor, Structure, Tensor]:
        """Logits, the next state, and the attention weights."""
        ...


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


def interface_of(model: Exportable) -> Interface:
    """What a model reads and writes with, see `Exportable`.

    Args:
        model: the model to be exported.

    Returns:
        An `Interface`.
    """
    # The attributes are optional; a model without any of them can be exported with examples.
    size = getattr(model, "image_size", None)
    return Interface(
        getattr(model, "source_vocabulary", None),
        getattr(model, "target_vocabulary", getattr(model, "vocabulary", None)),
        None if size is None else (int(size[0]), int(size[1])),
        getattr(model, "as_maps", _unchanged),
    )


def _unchanged(weights: Tensor) -> Tensor:
    return weights


def check_exportable(model: object) -> None:
    """Refuses a model that does not decode, and a backend that cannot be exported.

    Args:
        model: what the user handed in.

    Raises:
        ValueError: if the model has no `start`, `step` or `variables`, or the
            Keras backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "model: export traces it with TensorFlow; expected the Keras backend 'tensorflow', "
            f"received {keras.backend.backend()!r}."
        )
    missing = [name for name in ("start", "step", "variables") if not hasattr(model, name)]
    if missing:
        raise ValueError(
            "model: expected something that decodes, with start(inputs), step(tokens, state) and "
            "variables, such as keras_attention.models.EncoderDecoder, received "
            f"{type(model).__name__} without {', '.join(missing)}."
        )
