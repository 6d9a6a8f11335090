"""The loop of beam search with a record of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

from keras_attention._core.types import Tensor
from keras_attention.generation.beams import BeamLoop, Beams, Extensions
from keras_attention.generation.hypotheses import Hypotheses, cut_to_longest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Step(NamedTuple):
    """One step of a search for one example with K beams, as arrays.

    Attributes:
        free: `(K, V)`, the model's log-probabilities of the next token.
        totals: `(K, V)`, those of all tokens, after the constraints.
        weights: `(K, S)`.
        kept: the beam, token and log-probability of the best that do not end.
        ends: `(K,)`, whether each beam with the end is finished.
        scores: `(K,)`, of the beams with the end, after the penalties.
    """

    free: NDArray[np.float32]
    totals: NDArray[np.float32]
    weights: NDArray[np.float32]
    kept: list[tuple[int, int, float]]
    ends: NDArray[np.bool_]
    scores: NDArray[np.float32]


class RecordedLoop(BeamLoop):
    """A beam search of one example that keeps a record of its steps.

    Attributes:
        steps: the record.
        rated: the last log-probabilities after the penalties.
    """

    rated: Tensor
    _chosen: tuple[Tensor, Extensions]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps: list[Step] = []

    def run(self) -> Hypotheses:
        beams, first_weights = self._begin()
        later: list[Tensor] = []
        for t in range(self.length - 1):
            step = ops.convert_to_tensor(t, dtype="int32")
            if not bool(self._goes_on(step, beams)):
                break
            beams, weights = self._step(step, beams)
            later.append(weights)
        length = ops.convert_to_tensor(1 + len(later), dtype="int32")
        weights = ops.stack(later) if later else None
        return cut_to_longest(self._collect(length, beams, first_weights, weights))

    def _extend(
        self, length: Tensor, beams: Beams, logits: Tensor, weights: Tensor, slots: int
    ) -> Beams:
        extended = super()._extend(length, beams, logits, weights, slots)
        totals, chosen = self._chosen
        numpy = ops.convert_to_numpy
        kept = (numpy(part)[0].tolist() for part in (chosen.parent, chosen.tokens, chosen.logp))
        self.steps.append(
            Step(
                numpy(ops.log_softmax(logits)),
                numpy(totals),
                numpy(weights),
                list(zip(*kept)),
                numpy(chosen.among_best)[0],
                numpy(self.rated)[0],
            )
        )
        return extended

    def _choose(self, length: Tensor, beams: Beams, logits: Tensor, slots: int) -> Extensions:
        chosen = super()._choose(length, beams, logits, slots)
        totals = logits if self.constrained else ops.log_softmax(logits)
        self._chosen = totals + ops.reshape(beams.logp, (-1, 1)), chosen
        return chosen

    def _scores(self, logp: Tensor, lengths: Tensor, coverage: Any) -> Tensor:
        self.rated = super()._scores(logp, lengths, coverage)
        return self.rated
