"""Beam search: its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import keras

from keras_attention._core.checks import (
    check_flag,
    check_number,
    check_positive,
    check_positive_number,
)
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.beams import BeamLoop
from keras_attention.generation.constraints import (
    BannedTokens,
    Constraint,
    MinimumLength,
    NoRepeatedNgrams,
    checked_constraints,
)
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.penalties import (
    AverageLength,
    GNMTCoverage,
    GNMTLength,
    Penalty,
)
from keras_attention.generation.settings import SearchSettings

Loop = TypeVar("Loop", bound=BeamLoop)


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class BeamSearch(SearchSettings):
    """Beam search: the most probable sequences that a narrow search finds.

    At every step, each of the K best unfinished hypotheses of an example is
    extended by every token. The K best extensions that do not end are kept. One
    that ends is finished if it is among the K best of all; finished hypotheses
    are stored apart and take no beam. What has not ended after `max_length`
    tokens is cut there and competes as it is. The score of a hypothesis is its
    log-probability, in nats, after the penalties. With one beam and no penalty
    this is greedy decoding.

    Runs eagerly and inside a graph, with dynamic batch and lengths, compiles
    with XLA where shapes are fixed, and converts to ONNX.

    Sources: Graves, "Sequence Transduction with Recurrent Neural Networks",
    2012; Sutskever, Vinyals and Le, 2014; the penalties: Wu et al., "Google's
    Neural Machine Translation System", 2016.

    Args:
        num_beams: K, the number of hypotheses that are kept at every step.
        n_best: the number of hypotheses that are returned, at most K; by
            default K.
        max_length: the largest number of tokens, the end included.
        max_length_ratio: at most `ceil(ratio * S)` tokens, and at least one,
            for a source of S tokens; within `max_length`.
        min_length: the least number of tokens, the end included.
        min_length_ratio: at least `ceil(ratio * S)` tokens.
        length_penalty: GNMT's alpha (0.6 is usual, 0 or None is no penalty),
            `"average"` for the mean log-probability per token, or a `Penalty`.
        coverage_penalty: GNMT's beta (0.2 is usual, 0 is no penalty), or a
            `Penalty`.
        no_repeat_ngram: n, where no n tokens may occur twice in a hypothesis;
            0 allows it.
        banned: ids that are never chosen.
        penalties: more `Penalty` objects, applied after those above, in order.
        constraints: more `Constraint` objects, applied after those above, in
            order.
        early_stop: whether to stop as soon as no unfinished hypothesis can get
            among the n best any more. The result does not depend on it.

    Call arguments:
        decoder: a `Decoder`, or an object with `start` and `step`, see
            `keras_attention.generation.as_decoder`.
        inputs: what `decoder.start` takes.
        prefix: ids `(B, P)` that each hypothesis begins with, without the
            start, padded, or None. They are part of the sequences, the
            scores and the lengths.

    Returns:
        `Hypotheses`.

    Raises:
        ValueError: for settings out of range, a model that does not decode, a
            prefix that is not a matrix of ids or has ids that cannot be
            written, and ratios where the length of the source is not known.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import BeamSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> search = BeamSearch(num_beams=3, max_length=4, length_penalty=0.6)
    >>> found = search(EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7], [8, 9, 0]]))
    >>> found.sequences.shape[:2] == (2, 3), tuple(found.scores.shape), tuple(found.lengths.shape)
    (True, (2, 3), (2, 3))
    """

    num_beams: int = 4
    n_best: int | None = None
    max_length: int = 64
    max_length_ratio: float | None = None
    min_length: int = 0
    min_length_ratio: float | None = None
    length_penalty: float | Literal["average"] | Penalty | None = None
    coverage_penalty: float | Penalty = 0.0
    no_repeat_ngram: int = 0
    banned: tuple[int, ...] = ()
    penalties: tuple[Penalty, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    early_stop: bool = True

    def __post_init__(self) -> None:
        check_positive("num_beams", self.num_beams)
        check_positive("max_length", self.max_length)
        if self.n_best is not None:
            check_positive("n_best", self.n_best)
            if self.n_best > self.num_beams:
                raise ValueError(
                    f"n_best: expected at most num_beams, {self.num_beams}, received {self.n_best}."
                )
        if self.max_length_ratio is not None:
            check_positive_number("max_length_ratio", self.max_length_ratio)
        if self.min_length_ratio is not None:
            check_number("min_length_ratio", self.min_length_ratio, at_least=0)
        _check_count("min_length", self.min_length)
        _check_count("no_repeat_ngram", self.no_repeat_ngram)
        if self.min_length > self.max_length:
            raise ValueError(
                f"min_length: expected at most max_length, {self.max_length}, received "
                f"{self.min_length}."
            )
        if self.length_penalty not in (None, "average"):
            _check_penalty("length_penalty", self.length_penalty, ", 'average', None")
        _check_penalty("coverage_penalty", self.coverage_penalty)
        check_flag("early_stop", self.early_stop)
        object.__setattr__(self, "penalties", _checked_penalties(self.penalties))
        object.__setattr__(self, "constraints", checked_constraints(self.constraints))
        object.__setattr__(self, "banned", BannedTokens(self.banned).ids)

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        return self._loop(BeamLoop, decoder, inputs, prefix).run()

    def _loop(
        self,
        kind: Callable[..., Loop],
        decoder: DecoderLike,
        inputs: Structure,
        prefix: Tensor | None,
        **further: Any,
    ) -> Loop:
        """A loop with these settings; `further` are others, or those of its kind."""
        settings: dict[str, Any] = {
            "num_beams": self.num_beams,
            "n_best": self.n_best or self.num_beams,
            "max_length": self.max_length,
            "max_length_ratio": self.max_length_ratio,
            "penalties": self.all_penalties(),
            "constraints": self.all_constraints(),
            "early_stop": self.early_stop,
        }
        return kind(decoder, inputs, prefix, **{**settings, **further})

    def all_penalties(self) -> tuple[Penalty, ...]:
        """All penalties in the order in which they are applied."""
        named: list[Penalty] = []
        if isinstance(self.length_penalty, Penalty):
            named.append(self.length_penalty)
        elif self.length_penalty:
            if self.length_penalty == "average":
                named.append(AverageLength())
            else:
                named.append(GNMTLength(self.length_penalty))
        if isinstance(self.coverage_penalty, Penalty):
            named.append(self.coverage_penalty)
        elif self.coverage_penalty:
            named.append(GNMTCoverage(self.coverage_penalty))
        return (*named, *self.penalties)

    def all_constraints(self) -> tuple[Constraint, ...]:
        """All constraints in the order in which they are applied."""
        named: list[Constraint] = []
        if self.min_length > 1 or self.min_length_ratio:
            named.append(MinimumLength(self.min_length, self.min_length_ratio))
        if self.no_repeat_ngram:
            named.append(NoRepeatedNgrams(self.no_repeat_ngram))
        if self.banned:
            named.append(BannedTokens(self.banned))
        return (*named, *self.constraints)


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}: expected an integer of at least 0, received {value!r}.")


def _check_penalty(name: str, value: Any, others: str = "") -> None:
    if not isinstance(value, Penalty):
        try:
            check_number(name, value, at_least=0)
        except ValueError:
            raise ValueError(
                f"{name}: expected a number of at least 0{others} or a "
                f"keras_attention.generation.Penalty, received {value!r}."
            ) from None


def _checked_penalties(penalties: Any) -> tuple[Penalty, ...]:
    listed = isinstance(penalties, (list, tuple))
    if not listed or not all(isinstance(one, Penalty) for one in penalties):
        raise ValueError(
            "penalties: expected a list of keras_attention.generation.Penalty objects, received "
            f"{penalties!r}."
        )
    return tuple(penalties)
