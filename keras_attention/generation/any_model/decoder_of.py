"""The decoder of a Keras model: step by step where that gives its numbers, else by its prefix."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import keras

from keras_attention._core.backend.graphs import outside_of_graphs
from keras_attention._core.types import Structure
from keras_attention.generation.any_model.examples import random_sources
from keras_attention.generation.any_model.graph import is_functional
from keras_attention.generation.any_model.ports import Ports, find_ports
from keras_attention.generation.any_model.prefix import PrefixDecoder
from keras_attention.generation.any_model.proof import (
    Trial,
    first_that_differs,
    largest_difference,
    try_model,
)
from keras_attention.generation.any_model.rules.base import NoStepRuleError, NotCausalError
from keras_attention.generation.any_model.stepwise import StepwiseDecoder
from keras_attention.generation.decoder import Decoder
from keras_attention.text.special_ids import SpecialIds


class Verdict(NamedTuple):
    """How a model is decoded; it holds no reference to the model.

    Attributes:
        ports: its inputs and outputs.
        stepwise: whether step by step; otherwise its prefix is run again.
        on_prefix: names of the calls that run on all positions so far.
        difference: the largest difference of log-probabilities from the forward
            pass that the proof found.
    """

    ports: Ports
    stepwise: bool
    on_prefix: frozenset[str] = frozenset()
    difference: float = 0.0


# By model, then by the arguments that ports were found with.
_VERDICTS: WeakKeyDictionary[object, dict[object, Verdict]] = WeakKeyDictionary()


def decoder_of(
    model: Callable[..., Structure],
    source: str | Sequence[str] | None = None,
    target: str | None = None,
    special_ids: SpecialIds | None = None,
    probabilities: bool | None = None,
) -> Decoder:
    """The decoder of a model, proved to give the numbers of its forward pass.

    See `as_decoder` for arguments and errors.
    """
    names = source if source is None or isinstance(source, str) else tuple(source)
    key = (names, target, special_ids, probabilities)
    if is_functional(model):
        verdict = verdict_of(model, source, target, special_ids, probabilities)
        if verdict.stepwise:
            return StepwiseDecoder(model, verdict.ports, verdict.on_prefix)
        return PrefixDecoder(model, verdict.ports)
    ports = find_ports(model, source, target, special_ids, probabilities)
    return _TriedAtStart(model, ports, key, detect=probabilities is None)


def verdict_of(
    model: keras.Model,
    source: str | Sequence[str] | None = None,
    target: str | None = None,
    special_ids: SpecialIds | None = None,
    probabilities: bool | None = None,
) -> Verdict:
    """How a functional model is decoded. Found once per model."""
    names = source if source is None or isinstance(source, str) else tuple(source)
    key = (names, target, special_ids, probabilities)
    known = _VERDICTS.setdefault(model, {})
    if key not in known:
        ports = find_ports(model, source, target, special_ids, probabilities)
        with outside_of_graphs():
            known[key] = _judged(model, ports, detect=probabilities is None)
    return known[key]


class _TriedAtStart(PrefixDecoder):
    """A `PrefixDecoder` of a model without a graph, tried when the first sources are known."""

    def __init__(
        self, model: Callable[..., Structure], ports: Ports, key: object, detect: bool
    ) -> None:
        super().__init__(model, ports)
        self._key, self._detect = key, detect

    def start(self, inputs: Structure) -> dict[str, Structure]:
        state = super().start(inputs)
        known = _VERDICTS.setdefault(self.model, {})
        if self._key not in known:
            with outside_of_graphs():
                sources = random_sources(self.model, self.ports, state["memory"])
                trial = try_model(self.model, self.ports, sources, self._detect)
            ports = self.ports._replace(probabilities=trial.probabilities)
            known[self._key] = Verdict(ports, stepwise=False)
        self.ports = known[self._key].ports
        return state


def _judged(model: keras.Model, ports: Ports, detect: bool) -> Verdict:
    trial = try_model(model, ports, random_sources(model, ports, {}), detect)
    ports = ports._replace(probabilities=trial.probabilities)
    on_prefix: frozenset[str] = frozenset()
    while True:
        try:
            decoder = StepwiseDecoder(model, ports, on_prefix)
            difference = largest_difference(decoder, trial)
        except (NoStepRuleError, NotCausalError) as error:
            return _by_prefix(model, ports, trial, f"{error}")
        except Exception as error:
            reason = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())[:200]
            return _by_prefix(model, ports, trial, f"its steps fail: {reason}")
        if difference <= trial.tolerance:
            return Verdict(ports, True, on_prefix, difference)
        call = first_that_differs(decoder, trial)
        if call is None or call.name in on_prefix:
            name = model.name if call is None else call.name
            why = f"step by step, layer {name!r} differs from the model by up to {difference:.2g}"
            return _by_prefix(model, ports, trial, why)
        on_prefix |= {call.name}


def _by_prefix(model: keras.Model, ports: Ports, trial: Trial, why: str) -> Verdict:
    difference = largest_difference(PrefixDecoder(model, ports), trial)
    if difference > trial.tolerance:
        raise ValueError(
            f"model: expected results at a position that depend on the target up to it alone, "
            f"received a model whose results for a prefix differ by up to {difference:.2g}."
        )
    warnings.warn(
        f"Model {model.name!r} is run on the whole prefix at every step, which is slow: {why} "
        "A rule for the layer, by keras_attention.generation.register_step_rule, avoids this.",
        stacklevel=2,
    )
    return Verdict(ports, False, difference=difference)
