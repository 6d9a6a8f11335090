"""The loop of beam search, batched and inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.gathers import gather_rows, gather_within_rows
from keras_attention._core.backend.loops import scan_while
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.constraints import (
    Constraint,
    Unfinished,
    force,
    source_lengths,
    times,
)
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.extensions import best_extensions, constant
from keras_attention.generation.hypotheses import Hypotheses, cut_to_longest
from keras_attention.generation.penalties import Candidates, Penalty
from keras_attention.generation.stepper import POSSIBLE, Stepper, check_prefix, prefix_columns


class Beams(NamedTuple):
    """What the loop carries, for B examples of K beams.

    A history holds one number per token: `slot * V + token`, where the slot is
    that of the beam that was extended by the token. So the attention can be
    collected at the end, and is not gathered at every step.

    Attributes:
        tokens: `(B * K,)`, the last ones.
        logp: `(B, K)`, the best first.
        history: `(B, K, T)`; padding, in slot 0, where there is no token yet.
        scores: `(B, N)` of the best finished hypotheses, the best first.
        finished: `(B, N, T)`, their histories.
        coverage: `(B, K, S)`, or `()` where no penalty needs it.
        state: the tensors of the decoder's state that change.
    """

    tokens: Tensor
    logp: Tensor
    history: Tensor
    scores: Tensor
    finished: Tensor
    coverage: Any
    state: Any


class Extensions(NamedTuple):
    """The hypotheses that `slots` beams of an example become, one token longer.

    Attributes:
        logp: `(B, K)` of those that go on, the best first.
        parent: `(B, K)` int32, the slots of the beams that they extend.
        tokens: `(B, K)` int32.
        ends: `(B, slots)`, the log-probability of each beam with the end.
        among_best: `(B, slots)`, whether it is finished with it.
    """

    logp: Tensor
    parent: Tensor
    tokens: Tensor
    ends: Tensor
    among_best: Tensor


class BeamLoop:
    """One call of a `BeamSearch`.

    Args:
        decoder, inputs, prefix: as the call of a `Search`.
        num_beams, n_best, max_length, max_length_ratio, early_stop: as of
            `BeamSearch`.
        penalties, constraints: all of them, in the order of their application.
        groups: how many times `num_beams` beams an example has. Each group is
            searched as an example of its own.

    Attributes:
        batch: the number of examples, each group as one.
    """

    def __init__(
        self,
        decoder: DecoderLike,
        inputs: Structure,
        prefix: Tensor | None,
        *,
        num_beams: int,
        n_best: int,
        max_length: int,
        max_length_ratio: float | None,
        penalties: Sequence[Penalty],
        constraints: Sequence[Constraint],
        early_stop: bool,
        groups: int = 1,
    ) -> None:
        self.stepper = stepper = Stepper(decoder, inputs)
        self.groups, self.batch = groups, stepper.batch * groups
        self.special_ids = stepper.special_ids
        self.given_prefix = prefix
        self.prefix = self._by_group(prefix_columns(prefix, max_length, self.special_ids.pad))
        self.num_beams, self.n_best, self.length = num_beams, n_best, max_length
        self.penalties, self.constraints = penalties, constraints
        self.constrained = self.prefix is not None or bool(constraints)
        self.early_stop = early_stop and all(c.lowers_only for c in constraints)
        self.covers = any(penalty.needs_coverage for penalty in penalties)
        self.ratio, self.source_mask = max_length_ratio, None
        if penalties or constraints or self.ratio:
            self.source_mask = self._by_group(stepper.source_mask())
        self.limits: Tensor = max_length
        if self.ratio:
            limits = times(self.ratio, source_lengths("max_length_ratio", self.source_mask))
            self.limits = ops.expand_dims(ops.clip(limits, 1, max_length), 1)
        self.positions = ops.arange(max_length)
        slots = ops.arange(self.batch * num_beams)
        self.first_slot = ops.reshape(slots - slots % num_beams, (-1, num_beams))
        self.vocabulary = 0

    def _by_group(self, x: Tensor) -> Tensor:
        """A row of each example for each of its groups; None stays None."""
        return x if x is None or self.groups == 1 else ops.repeat(x, self.groups, axis=0)

    def run(self) -> Hypotheses:
        """The n best hypotheses, as wide as the longest."""
        return cut_to_longest(self.whole())

    def whole(self) -> Hypotheses:
        """The n best hypotheses of each group, `max_length` wide."""
        beams, first_weights = self._begin()
        steps, weights = ops.convert_to_tensor(0, dtype="int32"), None
        if self.length > 1:
            shape = (self.batch * self.num_beams, ops.shape(first_weights)[-1])
            steps, beams, weights = scan_while(
                self._goes_on, self._step, beams, self.length - 1, shape
            )
        return self._collect(steps + 1, beams, first_weights, weights)

    def _begin(self) -> tuple[Beams, Tensor]:
        """The hypotheses of one token, and the weights `(B, S)` of the first step."""
        batch, pad = self.batch, self.special_ids.pad
        logits, state, first_weights = self.stepper.first()
        logits, first_weights = self._by_group(logits), self._by_group(first_weights)
        self.vocabulary = logits.shape[-1]
        check_prefix(self.given_prefix, self.vocabulary, self.special_ids)
        beams = Beams(
            tokens=None,
            logp=ops.zeros((batch, 1)),
            history=ops.full((batch, 1, self.length), pad, dtype="int32"),
            scores=ops.full((batch, self.n_best), IMPOSSIBLE, dtype="float32"),
            finished=ops.full((batch, self.n_best, self.length), pad, dtype="int32"),
            coverage=ops.expand_dims(ops.zeros_like(first_weights), 1) if self.covers else (),
            state=state,
        )
        self.stepper.spread(self.num_beams * self.groups)
        start = ops.convert_to_tensor(0, dtype="int32")
        return self._extend(start, beams, logits, first_weights, slots=1), first_weights

    def _goes_on(self, steps: Tensor, beams: Beams) -> Tensor | bool:
        """Whether an unfinished hypothesis of `steps + 1` tokens can become one of the best."""
        done = steps + 1 >= self.limits if self.ratio else None
        if self.early_stop:
            # The first beam has the highest log-probability, which further tokens only lower.
            bound = beams.logp[:, :1]
            for penalty in self.penalties:
                bound = None if bound is None else penalty.bound(bound, self.limits)
            if bound is not None:
                beaten = beams.scores[:, -1:] >= bound
                done = beaten if done is None else ops.logical_or(done, beaten)
        return True if done is None else ops.logical_not(ops.all(done))

    def _step(self, steps: Tensor, beams: Beams) -> tuple[Beams, Tensor]:
        logits, state, weights = self.stepper.next(beams.tokens, beams.state)
        beams = beams._replace(state=state)
        return self._extend(steps + 1, beams, logits, weights, self.num_beams), weights

    def _extend(
        self, length: Tensor, beams: Beams, logits: Tensor, weights: Tensor, slots: int
    ) -> Beams:
        """From hypotheses of `length` tokens, `slots` per example, to those of one more."""
        width, size = self.num_beams, self.vocabulary
        if self.constrained:
            logits = self._constrained(length, beams, logits, slots)
        logp, parent, tokens, ends, among_best = self._choose(length, beams, logits, slots)
        codes = parent * size + tokens

        if self.ratio:
            # An example at its largest length stays as it is.
            is_open = length < self.limits
            among_best = ops.logical_and(among_best, is_open)
            logp = ops.where(is_open, logp, beams.logp if slots == width else IMPOSSIBLE)
            parent = ops.where(is_open, parent, ops.arange(width))
            weights = ops.where(ops.repeat(is_open, slots, axis=0), weights, 0.0)
        coverage = beams.coverage
        if self.covers:
            seen = ops.reshape(weights, (-1, slots, ops.shape(weights)[-1]))
            coverage = coverage + seen
        ended = ops.where(among_best, self._scores(ends, length + 1, coverage), IMPOSSIBLE)

        now = ops.equal(self.positions, length)
        end_codes = constant(range(self.special_ids.end, slots * size, size))
        end_codes = ops.reshape(end_codes, (1, slots, 1))
        finished = ops.where(now, end_codes, beams.history)
        scores, kept = ops.top_k(ops.concatenate([beams.scores, ended], axis=1), self.n_best)
        finished = ops.concatenate([beams.finished, finished], axis=1)
        finished = gather_within_rows(finished, kept)

        if self.ratio:
            now = ops.logical_and(now, ops.expand_dims(is_open, 2))
        history = gather_within_rows(beams.history, parent)
        history = ops.where(now, ops.expand_dims(codes, 2), history)
        if self.covers:
            coverage = gather_within_rows(coverage, parent)
        first = self.first_slot
        if beams.tokens is None:
            # Of the first step, which had one row per example.
            first = first // (width * self.groups)
        rows = ops.reshape(first + parent, (-1,))
        state = [gather_rows(tensor, rows) for tensor in beams.state]
        tokens = ops.reshape(tokens, (-1,))
        return Beams(tokens, logp, history, scores, finished, coverage, state)

    def _choose(self, length: Tensor, beams: Beams, logits: Tensor, slots: int) -> Extensions:
        """Which extensions go on and which end, of logits after the constraints.

        Args:
            length: the number of tokens before.
            beams: what is extended.
            logits: `(B * slots, V)`; log-probabilities where `constrained`.
            slots: the number of beams of each example.
        """
        logp, parent, tokens, base = best_extensions(
            logits, beams.logp, self.num_beams, self.constrained, self.special_ids.hidden
        )
        # Hypotheses that end now, if they are among the best of all.
        ends = ops.reshape(logits[:, self.special_ids.end], (-1, slots)) + base
        both, _ = ops.top_k(ops.concatenate([logp, ends], axis=1), self.num_beams)
        among_best = ends >= ops.maximum(both[:, -1:], POSSIBLE)
        return Extensions(logp, parent, tokens, ends, among_best)

    def _constrained(self, length: Tensor, beams: Beams, logits: Tensor, slots: int) -> Tensor:
        """Logits `(B * slots, V)` to log-probabilities after the constraints and the prefix."""
        flat = ops.shape(logits)
        logp = ops.reshape(ops.log_softmax(logits), (-1, slots, self.vocabulary))
        tokens = beams.history % self.vocabulary
        unfinished = Unfinished(length, tokens, self.source_mask, self.special_ids)
        free = logp
        for constraint in self.constraints:
            free = constraint(free, unfinished)
        if self.prefix is not None:
            free = force(self.prefix, logp, free, unfinished)
        return ops.reshape(free, flat)

    def _scores(self, logp: Tensor, lengths: Tensor, coverage: Any) -> Tensor:
        """Log-probabilities `(B, K)` after the penalties."""
        candidates = Candidates(lengths, coverage if self.covers else None, self.source_mask)
        for penalty in self.penalties:
            logp = penalty(logp, candidates)
        return logp

    def _collect(
        self, length: Tensor, beams: Beams, first_weights: Tensor, weights: Tensor | None
    ) -> Hypotheses:
        """The best of the finished and of those that were cut after `length` tokens."""
        limits = self.limits
        cut = ops.logical_and(length >= limits, beams.logp > POSSIBLE)
        lengths = ops.minimum(length, limits)
        cut = ops.where(cut, self._scores(beams.logp, lengths, beams.coverage), IMPOSSIBLE)
        scores, kept = ops.top_k(ops.concatenate([beams.scores, cut], axis=1), self.n_best)
        history = ops.concatenate([beams.finished, beams.history], axis=1)
        # With flat indices: behind the other gather, XLA finds no bound for the longest length.
        first = ops.expand_dims(ops.arange(self.batch), 1) * history.shape[1]
        history = gather_rows(ops.reshape(history, (-1, self.length)), first + kept)
        possible = ops.expand_dims(scores > POSSIBLE, 2)
        pad = self.special_ids.pad
        history = ops.where(possible, history, pad)
        scores = ops.maximum(scores, IMPOSSIBLE)
        real = ops.not_equal(history, pad)
        lengths = ops.sum(ops.cast(real, "int32"), axis=-1)
        sequences = ops.where(real, history % self.vocabulary, pad)
        attention = self._attention(history, real, first_weights, weights)
        return Hypotheses(sequences, scores, lengths, attention)

    def _attention(
        self, history: Tensor, real: Tensor, first_weights: Tensor, weights: Tensor | None
    ) -> Tensor:
        """The weights `(B, N, T, S)` of each token, at the steps and slots of the histories."""
        if first_weights.shape[-1] == 0:
            # Without weights. To ONNX, a size of 0 in a new shape is that of the old one.
            return ops.expand_dims(ops.zeros_like(history, dtype="float32"), 3)[..., :0]
        batch, width = self.batch, self.num_beams
        first = ops.reshape(ops.arange(batch), (-1, 1, 1))
        # The first step had one beam per example. There may be fewer steps than positions.
        rows = first * width + history // self.vocabulary
        rows = rows + (self.positions - 1) * (batch * width) + batch
        rows = ops.where(self.positions == 0, first, rows)
        if weights is not None:
            weights = ops.reshape(weights, (-1, ops.shape(weights)[-1]))
            first_weights = ops.concatenate([first_weights, weights], axis=0)
        attention = gather_rows(first_weights, ops.where(real, rows, 0))
        return ops.where(ops.expand_dims(real, 3), attention, 0.0)
