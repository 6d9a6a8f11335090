"""Diverse beam search: groups of beams that avoid each other's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.checks import check_number, check_positive
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.beam_search import BeamSearch
from keras_attention.generation.beams import BeamLoop, Beams, Extensions
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.extensions import best_extensions
from keras_attention.generation.hypotheses import Hypotheses, cut_to_longest, select
from keras_attention.generation.stepper import POSSIBLE


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class DiverseBeamSearch(BeamSearch):
    """Beam search in groups, each of which avoids the tokens of those before it.

        value(y_t) = log p(y_<=t) - diversity * (number of beams of earlier groups
                                                 that chose y_t at this step)

    The K beams are split into G groups of K / G. At each step one group after
    another extends its beams as `BeamSearch` does, and chooses those that go on
    by that value (the Hamming diversity of the paper). What is compared in the
    end are log-probabilities after the penalties, without it, and a hypothesis
    may end whatever the others do. Each group gives its K / G best hypotheses,
    and the n best of all are returned. Two groups may find the same one.

    With one group, this is `BeamSearch`.

    Source: Vijayakumar et al., "Diverse Beam Search: Decoding Diverse Solutions
    from Neural Sequence Models", 2016.

    Args:
        num_beams: K, of all groups together.
        num_groups: G, a divisor of K.
        diversity: 0.5 is usual in the paper; the larger, the more the groups
            differ.

    All other arguments, and those of the call, are those of `BeamSearch`.

    Returns:
        `Hypotheses`.

    Raises:
        ValueError: as `BeamSearch`, and for groups that do not divide the
            beams, or a diversity below 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import DiverseBeamSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> search = DiverseBeamSearch(num_beams=4, num_groups=4, diversity=50.0, max_length=1)
    >>> found = search(EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7]]))
    >>> len(set(found.sequences[0, :, 0].numpy().tolist()))
    4
    """

    num_groups: int = 2
    diversity: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("num_groups", self.num_groups)
        if self.num_beams % self.num_groups:
            raise ValueError(
                f"num_groups: expected a divisor of num_beams, {self.num_beams}, received "
                f"{self.num_groups}."
            )
        check_number("diversity", self.diversity, at_least=0)

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        loop = self._loop(
            DiverseLoop,
            decoder,
            inputs,
            prefix,
            num_beams=self.num_beams // self.num_groups,
            n_best=min(self.n_best or self.num_beams, self.num_beams // self.num_groups),
            groups=self.num_groups,
            diversity=self.diversity,
        )
        found = _together(loop.whole(), self.num_groups, self.n_best or self.num_beams)
        return cut_to_longest(found)


class DiverseLoop(BeamLoop):
    """The loop of `DiverseBeamSearch`.

    Args:
        diversity: as of `DiverseBeamSearch`.
    """

    def __init__(self, *args: Any, diversity: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.diversity = diversity
        self.constrained = True

    def _choose(self, length: Tensor, beams: Beams, logits: Tensor, slots: int) -> Extensions:
        size, groups, width = self.vocabulary, self.groups, self.num_beams
        by_group = ops.reshape(logits, (-1, groups, slots, size))
        logps = ops.reshape(beams.logp, (-1, groups, slots))
        counts = None
        chosen: list[Extensions] = []
        for group in range(groups):
            rows, logp = by_group[:, group], logps[:, group]
            values = rows
            if counts is not None:
                values = rows - self.diversity * ops.expand_dims(counts, 1)
            flat = ops.reshape(values, (-1, size))
            value, parent, token, _ = best_extensions(
                flat, logp, width, True, self.special_ids.hidden
            )
            ends = rows[:, :, self.special_ids.end] + logp
            both, _ = ops.top_k(ops.concatenate([value, ends], axis=1), width)
            among_best = ends >= ops.maximum(both[:, -1:], POSSIBLE)
            possible = value > POSSIBLE
            its = self._counts(token, possible)
            if counts is not None:
                value = value + self.diversity * _at(counts, token)
                value = ops.where(possible, value, IMPOSSIBLE)
            counts = its if counts is None else counts + its
            chosen.append(Extensions(value, parent, token, ends, among_best))
        together = (ops.stack(parts, axis=1) for parts in zip(*chosen))
        return Extensions(*(ops.reshape(x, (-1, x.shape[2])) for x in together))

    def _counts(self, tokens: Tensor, possible: Tensor) -> Tensor:
        """How often tokens `(B, K)` were chosen: `(B, V)`."""
        one_hot = ops.one_hot(tokens, self.vocabulary, dtype="float32")
        return ops.sum(ops.where(ops.expand_dims(possible, 2), one_hot, 0.0), axis=1)


def _at(counts: Tensor, tokens: Tensor) -> Tensor:
    """`counts[b, tokens[b]]` of `(B, V)` and `(B, K)`."""
    size = counts.shape[-1]
    rows = ops.expand_dims(ops.arange(ops.shape(counts)[0]) * size, 1)
    return gather_rows(ops.reshape(counts, (-1,)), rows + tokens)


def _together(found: Hypotheses, groups: int, n_best: int) -> Hypotheses:
    """The n best of all groups of an example."""
    parts = []
    for part in found:
        shape = ops.shape(part)
        parts.append(ops.reshape(part, (-1, groups * part.shape[1], *shape[2:])))
    return select(Hypotheses(*parts), n_best)
