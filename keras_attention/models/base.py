"""DecoderModel: what the ready-made models share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.freezing import freeze_parts
from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config, Shapes, Structure, Tensor
from keras_attention.models.generating import GeneratingModel
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import SpecialIds, as_special_ids
from keras_attention.text.vocabularies import vocabulary_size

if TYPE_CHECKING:
    from typing_extensions import Self


class DecoderModel(GeneratingModel):
    """Base of the models that encode a source and write tokens step by step.

    It is a `keras_attention.generation.Decoder`. A subclass sets `_config` (its
    plain arguments) in its constructor, ends it with `_finish()`, and defines
    `_build_parts`, `start`, `step` and `source_mask`.
    """

    # The state is {"memory": ..., "decoder": ...}.
    constant_parts: tuple[str, ...] = ("memory",)

    # Of a subclass: the arguments that are layers, and the name it is registered under.
    layer_arguments: tuple[str, ...] = ()
    registered_as: str

    _config: Config

    def _finish(self) -> None:
        """Builds all parts; the last statement of the constructor of a subclass."""
        self._build_parts()
        self.built = True
        freeze_parts(self, self.layers)

    def build(self, inputs_shape: Shapes | None = None) -> None:
        # All parts were built in the constructor, and not by this method: Keras lets no layer be
        # added after it, which a subclass may want to do.
        self.built = True

    def _build_parts(self) -> None:
        raise NotImplementedError

    def start(self, inputs: Structure) -> dict[str, Structure]:
        """The state before the first token: `"memory"` and `"decoder"`.

        Args:
            inputs: the source, see the class.
        """
        raise NotImplementedError

    def step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[Tensor, dict[str, Structure], Tensor]:
        """One step: logits `(B * beams, V)`, the next state, and weights `(B * beams, S)`.

        Args:
            tokens: ids `(B * beams,)`.
            state: of `start`, or of the step before.
            beams: the number of sequences, side by side, that share one row of
                the memory.
        """
        raise NotImplementedError

    def source_mask(self, inputs: Structure) -> Tensor | None:
        """The real positions `(B, S)` of the source, or None where all are real."""
        raise NotImplementedError

    def get_config(self) -> Config:
        return {**super().get_config(), **self._config}

    @classmethod
    def _from_arguments(cls, config: Config, custom_objects: Mapping[str, type] | None) -> Self:
        config = present_names(cls.registered_as, config)
        for name in cls.layer_arguments:
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
        return cls(**config)


def vocabulary_config(vocabulary: VocabularyLike | int) -> Config | int:
    """A vocabulary as a plain value."""
    return vocabulary if isinstance(vocabulary, int) else vocabulary.get_config()


def special_ids_of(
    vocabulary: VocabularyLike | int, special_ids: SpecialIds | None, name: str
) -> SpecialIds:
    """The special ids of a model: the argument, else those of the vocabulary it writes with.

    Args:
        vocabulary: what `as_vocabulary` returned.
        special_ids: the argument of the model.
        name: of the argument that holds the vocabulary, for the message of the error.
    """
    if isinstance(vocabulary, int):
        return as_special_ids(special_ids, vocabulary_size(vocabulary))
    if special_ids is not None and as_special_ids(special_ids) != vocabulary.special_ids:
        raise ValueError(
            f"special_ids: expected None or those of the {name}, {vocabulary.special_ids!r}, "
            f"received {special_ids!r}."
        )
    return vocabulary.special_ids


def target_mask(target: Tensor, special_ids: SpecialIds) -> Tensor:
    """`(B, T)`, the real positions of a target: the start, and what is not padding."""
    real = ops.not_equal(target, special_ids.pad)
    if special_ids.start != special_ids.pad:
        return real
    return ops.logical_or(real, ops.arange(ops.shape(target)[1]) == 0)
