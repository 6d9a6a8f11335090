"""How a log-probability becomes the score of a hypothesis: one small class per penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import keras
from keras import ops

from keras_attention._core.checks import check_number
from keras_attention._core.types import Tensor
from keras_attention.generation.settings import Settings


class Candidates(NamedTuple):
    """Hypotheses before their score: the input of a penalty.

    Attributes:
        lengths: the number of tokens, the end included; broadcasts to `(B, K)`.
        coverage: `(B, K, S)`, the sum of the attention weights of each source
            position over the tokens, or None where no penalty needs it.
        source_mask: `(B, S)`, the real positions, or None where all are real.

    Example:

    >>> from keras_attention.generation import Candidates
    >>> Candidates(lengths=12).coverage is None
    True
    """

    lengths: Tensor
    coverage: Tensor | None = None
    source_mask: Tensor | None = None


class Penalty(Settings):
    """Base of all penalties: `penalty(scores, candidates)` gives the scores that are compared.

    The first penalty receives log-probabilities, every other one the result of
    the one before. Your own penalty is a frozen dataclass, registered with
    Keras if it is to be saved. The search stops early only if the `bound` of
    every penalty is known.

    Attributes:
        needs_coverage: whether the penalty reads `candidates.coverage`.

    Example, a penalty on every token beyond the tenth:

    >>> from dataclasses import dataclass
    >>> from keras import ops
    >>> from keras_attention.generation import Penalty
    >>> from keras_attention.generation import Candidates
    >>> @dataclass(frozen=True)
    ... class TooLong(Penalty):
    ...     weight: float = 0.1
    ...
    ...     def __call__(self, scores: Tensor, candidates: Candidates) -> Tensor:
    ...         excess = ops.maximum(ops.cast(candidates.lengths, "float32") - 10, 0)
    ...         return scores - self.weight * excess
    ...
    ...     def bound(self, scores: Tensor, limits: Tensor) -> Tensor:
    ...         return scores  # the penalty only lowers scores
    >>> float(TooLong(0.5)(-1.0, Candidates(lengths=12)))
    -2.0
    """

    needs_coverage = False

    def __call__(self, scores: Tensor, candidates: Candidates) -> Tensor:
        """Scores `(B, K)` to scores `(B, K)`, increasing in `scores`.

        Args:
            scores: log-probabilities, or the result of the penalty before.
            candidates: lengths and coverage of the hypotheses.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__.")

    def bound(self, scores: Tensor, limits: Tensor) -> Tensor | None:
        """An upper bound of `__call__` for scores up to `scores` and lengths up to `limits`.

        Args:
            scores: `(B, 1)`.
            limits: the largest length of a hypothesis; broadcasts to `(B, 1)`.

        Returns:
            `(B, 1)`, or None if there is no bound: then the search does not
            stop early.
        """
        return None


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class GNMTLength(Penalty):
    """GNMT's length penalty: `score / ((5 + length) / 6) ^ alpha`.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016,
    which found 0.6 to 0.7 best.

    Args:
        alpha: 0 for none; the larger, the longer the best hypotheses.

    Raises:
        ValueError: where `alpha` is no number or below 0.

    Example:

    >>> from keras_attention.generation import GNMTLength
    >>> from keras_attention.generation import Candidates
    >>> float(GNMTLength(1.0)(-3.0, Candidates(lengths=13)))
    -1.0
    """

    alpha: float = 0.6

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, at_least=0)

    def __call__(self, scores: Tensor, candidates: Candidates) -> Tensor:
        return scores / self._factor(candidates.lengths)

    def bound(self, scores: Tensor, limits: Tensor) -> Tensor:
        # No score is above 0, so the penalty is weakest for the longest.
        return scores / self._factor(limits)

    def _factor(self, lengths: Tensor) -> Tensor:
        return ops.power((5.0 + ops.cast(lengths, "float32")) / 6.0, self.alpha)


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class AverageLength(Penalty):
    """The mean log-probability per token: `score / length`.

    Source: Cho et al., "On the Properties of Neural Machine Translation:
    Encoder-Decoder Approaches", 2014.

    Example:

    >>> from keras_attention.generation import AverageLength
    >>> from keras_attention.generation import Candidates
    >>> float(AverageLength()(-3.0, Candidates(lengths=6)))
    -0.5
    """

    def __call__(self, scores: Tensor, candidates: Candidates) -> Tensor:
        return scores / ops.cast(candidates.lengths, "float32")

    def bound(self, scores: Tensor, limits: Tensor) -> Tensor:
        return scores / ops.cast(limits, "float32")


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class GNMTCoverage(Penalty):
    """GNMT's coverage penalty: `score + beta * sum_i log(min(sum_j weight_ij, 1))`.

    i runs over the real source positions, j over the tokens of the hypothesis,
    the end included. Positions that were not attended to lower the score. A sum
    below 1e-6 counts as 1e-6.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016,
    which found 0.2 best.

    Args:
        beta: 0 for none.

    Raises:
        ValueError: where `beta` is no number or below 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import GNMTCoverage
    >>> from keras_attention.generation import Candidates
    >>> coverage = np.array([[[1.5, np.exp(-2), 0.0]]], "float32")
    >>> real = np.array([[True, True, False]])
    >>> float(GNMTCoverage(0.5)(np.array([[-3.0]], "float32"), Candidates(4, coverage, real))[0, 0])
    -4.0
    """

    beta: float = 0.2
    needs_coverage = True

    def __post_init__(self) -> None:
        check_number("beta", self.beta, at_least=0)

    def __call__(self, scores: Tensor, candidates: Candidates) -> Tensor:
        logs = ops.log(ops.clip(candidates.coverage, 1e-6, 1.0))
        if candidates.source_mask is not None:
            logs = ops.where(ops.expand_dims(candidates.source_mask, 1), logs, 0.0)
        return scores + self.beta * ops.sum(logs, axis=-1)

    def bound(self, scores: Tensor, limits: Tensor) -> Tensor:
        # All positions may still be attended to.
        return scores
