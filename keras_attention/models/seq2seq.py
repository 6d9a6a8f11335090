"""Seq2Seq: any Keras model from source and target to logits, as a model that generates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import tree

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.generation import as_decoder
from keras_attention.generation.any_model.graph import is_functional, names_of, table_sizes
from keras_attention.generation.any_model.ports import (
    check_special_ids,
    check_vocabulary_size,
    find_ports,
    is_ids,
)
from keras_attention.models.attention_maps import as_maps, map_shape_of_outputs
from keras_attention.models.base import special_ids_of, vocabulary_config
from keras_attention.models.generating import GeneratingModel
from keras_attention.text.known_ids import known_ids
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import SpecialIds, as_special_ids
from keras_attention.text.vocabularies import as_vocabulary, vocabulary_size

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from keras_attention._core.types import LayerOptions
    from keras_attention.generation import Decoder

_IMAGE_RANK = 4


@keras.saving.register_keras_serializable(package="keras_attention")
class Seq2Seq(GeneratingModel):
    """Any Keras model from source and target to logits: trained as it is, and generating.

        logits = model({source, target})                    in training: the model itself
        logits_t, state_t = step(y_{t-1}, state_{t-1})      in decoding: `as_decoder(model)`

    The call, the weights, the losses and the masks are those of the model
    inside. Decoding runs it step by step where
    `keras_attention.generation.as_decoder` finds out how, and on the whole
    prefix otherwise. It is saved as one `.keras` file, with the model,
    the vocabularies and the search of `compile`.

    As in every model here, training is with teacher forcing: the target starts
    with the start token, and the labels are the target shifted by one.

    Args:
        model: a Keras model, functional or any other, from one or several
            sources and the target ids `(B, T)` to logits or probabilities
            `(B, T, V)`. Attention weights may be further outputs.
        source: the names of the sources, by default all inputs but the target.
            An input's name is its key, if the model takes a dictionary, else
            that of `keras.Input`.
        target: the name of the target; by default it is found.
        source_vocabulary: the vocabulary of the source, or its size; for
            several sources a dictionary by their names. Without it the model
            reads ids alone. Not for images.
        target_vocabulary: the vocabulary of the target, or its size, by default
            the last dimension of the logits.
        special_ids: `SpecialIds`, by default those of the target vocabulary.
        probabilities: whether the model gives probabilities in place of logits.
            By default it is found out.
        map_shape: `(h, w)`, the shape of attention weights over an image; by
            default that of the weights among the outputs, else a square.
        image_size: `(height, width)` of an image source whose shape does not
            say so.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: those of the model.
        training: as of the model.
        mask: as of the model.

    Returns:
        What the model returns.

    Raises:
        ValueError: where source or target are missing or ambiguous, for a
            vocabulary smaller than the logits or larger than the embedding
            of its source, and for special ids outside of the vocabulary.

    Example:

    >>> import keras
    >>> from keras_attention import AttentionRNN, LuongAttention
    >>> from keras_attention.models import Seq2Seq
    >>> from keras_attention.text import Vocabulary
    >>> source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    >>> embed = keras.layers.Embedding(7, 8, mask_zero=True)
    >>> memory = keras.layers.GRU(8, return_sequences=True)(embed(source))
    >>> decoder = AttentionRNN(keras.layers.GRUCell(8), LuongAttention())
    >>> logits = keras.layers.Dense(7)(decoder(embed(target), memory))
    >>> letters = Vocabulary("abc")
    >>> model = keras.Model({"source": source, "target": target}, logits)
    >>> model = Seq2Seq(model, source_vocabulary=letters, target_vocabulary=letters)
    >>> [found.attention.shape[1] for found in model.generate(["cab", "bb"])]
    [3, 2]
    """

    def __init__(
        self,
        model: keras.Model,
        source: str | Sequence[str] | None = None,
        target: str | None = None,
        source_vocabulary: VocabularyLike
        | int
        | Mapping[str, VocabularyLike | int | Config]
        | None = None,
        target_vocabulary: VocabularyLike | int | Config | None = None,
        special_ids: SpecialIds | Sequence[int | None] | None = None,
        probabilities: bool | None = None,
        map_shape: tuple[int, int] | None = None,
        image_size: tuple[int, int] | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # The model inside casts its inputs itself: ids may be floats, which must not be rounded.
        super().__init__(**{"autocast": False, **kwargs})
        _check_model(model)
        self.model = model
        declared = None if special_ids is None else as_special_ids(special_ids)
        writes: VocabularyLike | int | None = None
        if target_vocabulary is not None:
            writes = as_vocabulary(
                target_vocabulary,
                name="target_vocabulary",
                allow_size=True,
                special_ids=declared,
            )
            declared = special_ids_of(writes, declared, "target_vocabulary")
        self.ports = find_ports(model, source, target, declared, probabilities)
        self._probabilities = probabilities
        self._decoder: Decoder | None = None
        self._size_found = writes is None
        self.target_vocabulary = self._checked_target(writes)
        self._read_sources(source_vocabulary, map_shape, image_size)
        if model.built:
            self.built = True

    def _checked_target(self, vocabulary: VocabularyLike | int | None) -> VocabularyLike | int:
        if vocabulary is not None:
            check_vocabulary_size(self.model, self.ports, vocabulary_size(vocabulary))
            check_special_ids(self.special_ids, vocabulary_size(vocabulary))
            return vocabulary
        if not is_functional(self.model):
            raise ValueError(
                "target_vocabulary: expected a vocabulary or its size for a model that is not "
                f"functional, whose logits are not known, received None for {self.model.name!r}."
            )
        return int(tree.flatten(self.model.output)[self.ports.logits].shape[-1])

    def _read_sources(
        self,
        vocabularies: VocabularyLike | int | Mapping[str, VocabularyLike | int | Config] | None,
        map_shape: tuple[int, int] | None,
        image_size: tuple[int, int] | None,
    ) -> None:
        """Sets the attributes by which `generate` and the export know what the model reads."""
        self.map_shape = _checked_pair("map_shape", map_shape)
        image_size = _checked_pair("image_size", image_size)
        self._config: Config = {"map_shape": self.map_shape, "image_size": image_size}
        inputs = names_of(self.model) if is_functional(self.model) else {}
        images = [n for n in self.sources if n in inputs and len(inputs[n].shape) == _IMAGE_RANK]
        words = tuple(name for name in self.sources if name not in images)
        self.source_vocabularies = _vocabularies_of(words or self.sources, vocabularies)
        for name, vocabulary in self.source_vocabularies.items():
            if name in images or (name in inputs and not is_ids(self.model, inputs[name])):
                raise ValueError(
                    "source_vocabulary: expected None for a source that holds no ids, received "
                    f"{vocabulary!r} for {name!r} of shape {tuple(inputs[name].shape)}."
                )
            sizes = table_sizes(self.model, inputs[name]) if name in inputs else []
            if sizes and vocabulary_size(vocabulary) > min(sizes):
                raise ValueError(
                    f"source_vocabulary: expected at most {min(sizes)} tokens, the input_dim of "
                    f"the embedding of {name!r}, received {vocabulary_size(vocabulary)}."
                )
        if images:
            self.vocabulary = self.target_vocabulary
            self.as_maps = self._as_maps
            if self.map_shape is None:
                self.map_shape = map_shape_of_outputs(self.model, self.ports)
            height, width = image_size or inputs[images[0]].shape[1:3]
            if height is not None and width is not None:
                self.image_size = (int(height), int(width))
        elif image_size is not None:
            raise ValueError(
                "image_size: expected None for a model that reads no images, received "
                f"{image_size!r}."
            )
        if words:
            sizes = table_sizes(self.model, inputs[words[0]]) if words[0] in inputs else []
            size = min(sizes) if sizes else None
            self.source_vocabulary = self.source_vocabularies.get(words[0], size)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the inputs that are known before decoding."""
        return self.ports.sources

    @property
    def special_ids(self) -> SpecialIds:
        """The ids of padding, start, end and unknown tokens of the target."""
        return self.ports.special_ids

    @property
    def output_names(self) -> list[str] | None:
        """The names of the model's outputs, for losses and metrics by name."""
        return list(self.model.output_names) if is_functional(self.model) else None

    @property
    def decoder(self) -> Decoder:
        """How the model is decoded, see `keras_attention.generation.as_decoder`."""
        if self._decoder is None:
            self._decoder = as_decoder(
                self.model,
                source=self.ports.sources,
                target=self.ports.target,
                special_ids=self.ports.special_ids,
                probabilities=self._probabilities,
            )
        return self._decoder

    @property
    def constant_parts(self) -> tuple[str, ...]:
        """The parts of the state that no step changes."""
        return self.decoder.constant_parts

    def start(self, inputs: Structure) -> Structure:
        """The state before the first token.

        Args:
            inputs: the sources, as a dictionary by their names, or in their
                order; one alone may be the tensor itself.
        """
        return self.decoder.start(self._known(inputs))

    def step(
        self, tokens: Tensor, state: Structure, beams: int = 1
    ) -> tuple[Tensor, Structure, Tensor | None]:
        """One step: logits `(B * beams, V)`, the next state, and weights or None.

        Args:
            tokens: ids `(B * beams,)`.
            state: of `start`, or of the step before.
            beams: the number of sequences, side by side, that share one row of
                the constant parts.
        """
        return self.decoder.step(tokens, state, beams=beams)

    def source_mask(self, inputs: Structure) -> Tensor | None:
        """The real positions `(B, S)` of the source, or None where all are real."""
        return self.decoder.source_mask(self._known(inputs))

    def _known(self, inputs: Structure) -> dict[str, Tensor]:
        """The sources by their names; ids outside of their vocabularies are unknown."""
        named = self._named(inputs)
        for name, vocabulary in self.source_vocabularies.items():
            special = self.special_ids
            if isinstance(vocabulary, VocabularyLike):
                special = vocabulary.special_ids
            named[name] = known_ids(named[name], vocabulary_size(vocabulary), special)
        return named

    def _named(self, inputs: Structure) -> dict[str, Tensor]:
        """The sources by their names."""
        names = self.sources
        if isinstance(inputs, Mapping):
            if set(names) <= set(inputs):
                return {name: inputs[name] for name in names}
            if len(names) == len(inputs) == 1:
                # `generate` says "image" to every model that reads one.
                return {names[0]: next(iter(inputs.values()))}
            raise ValueError(
                f"inputs: expected {', '.join(map(repr, names))}, received "
                f"{', '.join(map(repr, sorted(inputs)))}."
            )
        if len(names) == 1:
            return {names[0]: inputs}
        if isinstance(inputs, (list, tuple)) and len(inputs) == len(names):
            return dict(zip(names, inputs))
        raise ValueError(
            f"inputs: expected a dictionary of {', '.join(map(repr, names))}, received "
            f"{type(inputs).__name__}."
        )

    def _as_maps(self, weights: Tensor) -> Tensor:
        """Weights over all positions `(..., h * w)` as maps `(..., h, w)`."""
        return as_maps(weights, self.map_shape)

    def call(
        self, inputs: Structure, training: bool | None = None, mask: Structure = None
    ) -> Structure:
        if training:
            self._check_start(inputs)
        given = any(one is not None for one in tree.flatten(mask))
        options = {"mask": mask} if given else {}
        return self.model(inputs, training=training, **options)

    def compute_mask(self, inputs: Structure, previous_mask: Structure = None) -> None:
        """None: the outputs have the masks that the model inside gave them."""
        return None

    def _target_of(self, inputs: Any) -> Tensor | None:
        if isinstance(inputs, dict):
            return inputs.get(self.ports.target)
        if not is_functional(self.model) or not isinstance(inputs, (list, tuple)):
            return None
        position = list(names_of(self.model)).index(self.ports.target)
        return inputs[position] if position < len(inputs) else None

    def get_config(self) -> Config:
        vocabularies = {
            name: vocabulary_config(one) for name, one in self.source_vocabularies.items()
        }
        return {
            **super().get_config(),
            **self._config,
            "model": keras.saving.serialize_keras_object(self.model),
            "source": list(self.sources),
            "target": self.ports.target,
            "source_vocabulary": vocabularies or None,
            "target_vocabulary": None
            if self._size_found
            else vocabulary_config(self.target_vocabulary),
            "special_ids": list(self.special_ids),
            "probabilities": self._probabilities,
        }

    @classmethod
    def _from_arguments(cls, config: Config, custom_objects: Mapping[str, type] | None) -> Self:
        model = keras.saving.deserialize_keras_object(
            config.pop("model"), custom_objects=custom_objects
        )
        return cls(model, **config)


def _check_model(model: Any) -> None:
    if isinstance(model, GeneratingModel):
        raise ValueError(
            "model: expected a Keras model from source and target to logits, received "
            f"{type(model).__name__}, which generates by itself."
        )
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model: expected a Keras model from source and target to logits, received {model!r}."
        )


def _checked_pair(name: str, size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise ValueError(f"{name}: expected height and width, received {size!r}.")
    for number in size:
        check_positive(name, number)
    height, width = size
    return height, width


def _vocabularies_of(sources: tuple[str, ...], given: Any) -> dict[str, VocabularyLike | int]:
    """The vocabularies of the sources by their names; one that is given alone is of the first."""
    if given is None:
        return {}
    if isinstance(given, Mapping) and (not given or any(name in sources for name in given)):
        unknown = sorted(set(given) - set(sources))
        if unknown:
            raise ValueError(
                f"source_vocabulary: expected names of sources, {', '.join(map(repr, sources))}, "
                f"received {', '.join(map(repr, unknown))}."
            )
        named = dict(given)
    else:
        named = {sources[0]: given}
    return {
        name: as_vocabulary(one, name="source_vocabulary", allow_size=True, writes=False)
        for name, one in named.items()
    }
