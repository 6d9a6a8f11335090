"""Ensemble: several models that write one text together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import keras
from keras import ops

from keras_attention._core.backend.loops import scan
from keras_attention._core.checks import check_choice, check_positive_number
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.generation.contrastive_search import hidden_of
from keras_attention.generation.decoder import Decoder, split_state
from keras_attention.generation.decoders import as_decoder
from keras_attention.generation.reading import ReadsImages, ReadsSources
from keras_attention.generation.stepper import Stepper
from keras_attention.models.generating import GeneratingModel
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import SpecialIds

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from keras_attention._core.types import LayerOptions


@keras.saving.register_keras_serializable(package="keras_attention")
class Ensemble(GeneratingModel):
    """Several models that decode, as one: their predictions of the next token are averaged.

        geometric:   logits_t = sum_i w_i log p_i(y_t | y_<t, x)
        arithmetic:  logits_t = log sum_i w_i p_i(y_t | y_<t, x)

    with weights w that sum to 1. The geometric mean, the mean of
    log-probabilities, is usual in translation: a token that one member finds
    impossible is not written. The arithmetic mean is the probability under a
    mixture: a token that one member finds likely can be written.

    The attention is the mean of the members' weights, with w, as far as they
    have the shape of the first member's that has any. Each member keeps its own
    memory, which beams share. It generates, searches, saves and exports as its
    members do; the call, for `evaluate`, runs step by step.

    Source: Sutskever, Vinyals and Le, "Sequence to Sequence Learning with
    Neural Networks", 2014.

    Args:
        models: models that generate, such as `EncoderDecoder`, with equal
            vocabularies and the same inputs. They are part of the ensemble and
            saved with it.
        weights: one positive number per model, by default equal; divided by
            their sum.
        mean: `"geometric"` or `"arithmetic"`.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: as of each member, the target included.

    Returns:
        The logits `(B, T, V)` in float32, which are log-probabilities up to one
        number per position.

    Raises:
        ValueError: for no models, models that do not generate or whose
            vocabularies differ, weights that do not fit, and another mean.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import BeamSearch
    >>> from keras_attention.models import EncoderDecoder, Ensemble
    >>> model = Ensemble([EncoderDecoder(30, 40, units=16), EncoderDecoder(30, 40, units=8)])
    >>> found = BeamSearch(num_beams=2, max_length=4)(model, np.array([[5, 6, 7]]))
    >>> tuple(found.scores.shape)
    (1, 2)
    """

    # The state is {"memory": {name: constant parts}, "decoder": {name: the rest}}.
    constant_parts: tuple[str, ...] = ("memory",)

    def __init__(
        self,
        models: Sequence[keras.Model],
        weights: Sequence[float] | None = None,
        mean: Literal["geometric", "arithmetic"] = "geometric",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.members = _checked_members(models)
        check_choice("mean", mean, ("geometric", "arithmetic"))
        self.mean, self._given_weights = mean, None if weights is None else list(weights)
        self.shares = _shares(weights, len(self.members))
        self._read_interface()
        self.built = True

    def _read_interface(self) -> None:
        """Sets what generate and the exporter read, as the first member has it."""
        first = self.members[0]
        for name in _INTERFACE:
            if name in vars(first):
                setattr(self, name, vars(first)[name])
        if isinstance(first, ReadsImages):
            self.as_maps = first.as_maps
        if isinstance(first, ReadsSources):
            self.sources = first.sources

    @property
    def decoders(self) -> list[Decoder]:
        """The members as decoders."""
        return [as_decoder(member) for member in self.members]

    def start(self, inputs: Structure) -> dict[str, Structure]:
        """The state before the first token: `"memory"` and `"decoder"`, by member.

        Args:
            inputs: the source, as of each member.
        """
        memory: dict[str, Structure] = {}
        changing: dict[str, Structure] = {}
        for name, decoder in zip(_names(self.members), self.decoders):
            state = decoder.start(inputs)
            changing[name], memory[name] = split_state(state, decoder.constant_parts)
        return {"memory": memory, "decoder": changing}

    def step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[Tensor, dict[str, Structure], Tensor | None]:
        """One step: logits `(B * beams, V)`, the next state, and weights `(B * beams, S)`.

        Args:
            tokens: ids `(B * beams,)`.
            state: of `start`, or of the step before.
            beams: the number of sequences, side by side, that share one row of
                the memories.
        """
        logps: list[Tensor] = []
        attentions: list[Tensor | None] = []
        after: dict[str, Structure] = {}
        for name, decoder in zip(_names(self.members), self.decoders):
            one = state["decoder"][name]
            if state["memory"][name]:
                one = {**one, **state["memory"][name]}
            logits, one, weights = decoder.step(tokens, one, beams=beams)
            after[name], _ = split_state(one, decoder.constant_parts)
            logps.append(ops.log_softmax(ops.cast(logits, "float32")))
            attentions.append(weights)
        return self._mean(logps), {**state, "decoder": after}, self._mean_attention(attentions)

    def hidden(self, state: dict[str, Structure]) -> Tensor:
        """The representations of all members, side by side, for `ContrastiveSearch`.

        Args:
            state: after a step.
        """
        found = []
        for name, member in zip(_names(self.members), self.members):
            one = state["decoder"][name]
            if state["memory"][name]:
                one = {**one, **state["memory"][name]}
            vectors = ops.cast(hidden_of(member, one), "float32")
            found.append(ops.normalize(vectors, axis=-1))
        return ops.concatenate(found, axis=-1)

    @property
    def special_ids(self) -> SpecialIds:
        """The ids of padding, start, end and unknown tokens, as of each member."""
        return self.decoders[0].special_ids

    def source_mask(self, inputs: Structure) -> Tensor | None:
        """The real positions `(B, S)` of the source, as of the first member."""
        return self.decoders[0].source_mask(inputs)

    def _mean(self, logps: list[Tensor]) -> Tensor:
        if len(logps) == 1:
            return logps[0]
        if self.mean == "geometric":
            return sum(share * logp for share, logp in zip(self.shares, logps))
        shifted = [math.log(share) + logp for share, logp in zip(self.shares, logps)]
        return ops.logsumexp(ops.stack(shifted), axis=0)

    def _mean_attention(self, attentions: list[Tensor | None]) -> Tensor | None:
        found = [(s, w) for s, w in zip(self.shares, attentions) if w is not None]
        if not found:
            return None
        size = found[0][1].shape[-1]
        same = [(s, ops.cast(w, "float32")) for s, w in found if w.shape[-1] == size]
        total = sum(share for share, _ in same)
        return sum(share / total * weights for share, weights in same)

    def call(self, inputs: Structure, training: bool | None = None) -> Tensor:
        target = self._target_of(inputs)
        if target is None:
            raise ValueError(
                'inputs: expected a dictionary with the ids of the target, as "target", received '
                f"{sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__}."
            )
        sources = {name: x for name, x in inputs.items() if x is not target}
        stepper = Stepper(self, sources)

        def one(tensors: list[Tensor], token: Tensor) -> tuple[list[Tensor], tuple[Tensor]]:
            logits, tensors, _ = stepper.next(token, tensors)
            return tensors, (logits,)

        tokens = ops.transpose(ops.cast(target, "int32"))
        _, (logits,) = scan(one, stepper.tensors, tokens, ("float32",))
        return ops.transpose(logits, (1, 0, 2))

    def _target_of(self, inputs: Structure) -> Tensor | None:
        return self.members[0]._target_of(inputs)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "models": [keras.saving.serialize_keras_object(one) for one in self.members],
            "weights": self._given_weights,
            "mean": self.mean,
        }

    @classmethod
    def _from_arguments(cls, config: Config, custom_objects: Mapping[str, type] | None) -> Self:
        models = [
            keras.saving.deserialize_keras_object(one, custom_objects=custom_objects)
            for one in config.pop("models")
        ]
        return cls(models, **config)


# The attributes by which a model says what it reads and writes, where it has them.
_INTERFACE = (
    "source_vocabulary",
    "source_vocabularies",
    "target_vocabulary",
    "vocabulary",
    "image_size",
)


def _names(members: Sequence[keras.Model]) -> list[str]:
    return [f"member_{i}" for i in range(len(members))]


def _checked_members(models: Any) -> list[GeneratingModel]:
    listed = list(models) if isinstance(models, (list, tuple)) else []
    if not listed:
        raise ValueError(f"models: expected a list of at least one model, received {models!r}.")
    for one in listed:
        if not isinstance(one, GeneratingModel):
            raise ValueError(
                "models: expected models that generate, such as "
                "keras_attention.models.EncoderDecoder, or others in "
                f"keras_attention.models.Seq2Seq, received {one!r}."
            )
    if len({id(one) for one in listed}) < len(listed):
        raise ValueError("models: expected different models, received one of them twice.")
    special_ids = {tuple(as_decoder(one).special_ids) for one in listed}
    if len(special_ids) > 1:
        raise ValueError(
            f"models: expected the same special_ids in all of them, received {sorted(special_ids)}."
        )
    for name in ("source_vocabulary", "target_vocabulary", "vocabulary"):
        first, *others = [_plain(vars(one).get(name)) for one in listed]
        for i, other in enumerate(others, start=1):
            if other != first:
                raise ValueError(
                    f"models: expected the same {name} in all of them, received another one in "
                    f"model {i} than in model 0."
                )
    return listed


def _plain(vocabulary: Any) -> Any:
    return vocabulary.get_config() if isinstance(vocabulary, VocabularyLike) else vocabulary


def _shares(weights: Any, count: int) -> list[float]:
    """The weights divided by their sum."""
    if weights is None:
        return [1 / count] * count
    if not isinstance(weights, (list, tuple)) or len(weights) != count:
        raise ValueError(f"weights: expected {count} numbers, one per model, received {weights!r}.")
    for one in weights:
        check_positive_number("weights", one)
    return [one / sum(weights) for one in weights]
