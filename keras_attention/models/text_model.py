"""What the models that read and write text share: vocabularies, ids and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.backend.replicas import averaged_over_replicas
from keras_attention._core.checks import check_ids, check_shape
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.models.base import DecoderModel, special_ids_of, vocabulary_config
from keras_attention.text.known_ids import known_ids
from keras_attention.text.vocabularies import as_vocabulary, vocabulary_size

if TYPE_CHECKING:
    from keras_attention.text.protocol import VocabularyLike
    from keras_attention.text.special_ids import SpecialIds


class TextDecoderModel(DecoderModel):
    """Base of the models from source ids `(B, S)` and target ids `(B, T)` to logits `(B, T, V)`."""

    def _set_vocabularies(
        self,
        source_vocabulary: VocabularyLike | int | Config,
        target_vocabulary: VocabularyLike | int | Config,
        special_ids: SpecialIds | None,
    ) -> None:
        """Sets what the model reads and writes with; part of the constructor of a subclass."""
        self.source_vocabulary = as_vocabulary(
            source_vocabulary, name="source_vocabulary", allow_size=True, writes=False
        )
        self.target_vocabulary = as_vocabulary(
            target_vocabulary,
            name="target_vocabulary",
            allow_size=True,
            special_ids=special_ids,
        )
        self._special_ids = special_ids_of(self.target_vocabulary, special_ids, "target_vocabulary")
        self._source_special_ids = self.special_ids
        if not isinstance(self.source_vocabulary, int):
            self._source_special_ids = self.source_vocabulary.special_ids
        self._source_pad = self._source_special_ids.pad

    def _known_source(self, inputs: Structure) -> Tensor:
        """The source ids `(B, S)`; those outside of the vocabulary are unknown."""
        size = vocabulary_size(self.source_vocabulary)
        return known_ids(source_ids(inputs), size, self._source_special_ids)

    def source_mask(self, inputs: Structure) -> Tensor:
        """The real positions `(B, S)` of the source: those that are not padding."""
        return ops.not_equal(self._known_source(inputs), self._source_pad)

    def compute_output_spec(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        source, target = source_and_target(inputs)
        logits = keras.KerasTensor((*target.shape, vocabulary_size(self.target_vocabulary)))
        if not return_attention_scores:
            return logits
        shape = (*target.shape, source.shape[1])
        return logits, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "source_vocabulary": vocabulary_config(self.source_vocabulary),
            "target_vocabulary": vocabulary_config(self.target_vocabulary),
        }


def source_ids(inputs: Structure) -> Tensor:
    """The source ids `(B, S)`, alone or as `"source"` of a dictionary."""
    source = ops.convert_to_tensor(inputs["source"] if isinstance(inputs, dict) else inputs)
    check_ids("source", source)
    return source


def source_and_target(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The ids `"source"` `(B, S)` and `"target"` `(B, T)` of a dictionary, checked."""
    if not isinstance(inputs, dict) or not {"source", "target"} <= set(inputs):
        raise ValueError(
            "inputs: expected a dictionary with the ids 'source' and 'target', received "
            f"{sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__}."
        )
    source, target = (ops.convert_to_tensor(inputs[name]) for name in ("source", "target"))
    if averaged_over_replicas():
        source, target = ops.cast(source, "int32"), ops.cast(target, "int32")
    check_ids("source", source)
    check_ids("target", target)
    expected = (source.shape[0], target.shape[1])
    check_shape("target", target, expected, "as many targets as sources")
    return source, target
