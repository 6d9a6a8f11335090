"""Decoding of one sequence per example, for every way to choose the next token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.loops import scan_while
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.constraints import Constraint, Unfinished, force, is_one_of
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.stepper import POSSIBLE, Stepper, check_prefix, prefix_columns

# `choose(t, values) -> tokens`: scores `(B, V)` of step t to ids `(B,)`. They are
# log-probabilities, or differ from them by one number per example; at most IMPOSSIBLE where
# a token is impossible.
Choose = Callable[[Tensor, Tensor], Tensor]


class Sequences(NamedTuple):
    """What the loop carries, for B examples.

    Attributes:
        tokens: `(B,)`, the last ones.
        ids: `(B, T)`, padding where there is no token yet.
        scores: `(B,)`.
        ended: `(B,)`.
        state: the tensors of the decoder's state that change.
    """

    tokens: Tensor
    ids: Tensor
    scores: Tensor
    ended: Tensor
    state: Any


class SingleSearch:
    """Decodes step after step until every sequence has ended.

    A sequence that cannot go on, since no token is possible, is not found: its
    score is `IMPOSSIBLE` and its length 0.

    Args:
        decoder, inputs, prefix: as the call of a `Search`.
        choose: see `Choose`.
        max_length: the largest number of tokens, the end included.
        constraints: `Constraint` objects.
    """

    def __init__(
        self,
        decoder: DecoderLike,
        inputs: Structure,
        choose: Choose,
        max_length: int,
        prefix: Tensor | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self.choose, self.length, self.constraints = choose, max_length, constraints
        self.stepper = Stepper(decoder, inputs)
        self.special_ids = self.stepper.special_ids
        self.given_prefix = prefix
        self.prefix = prefix_columns(prefix, max_length, self.special_ids.pad)
        self.mask = self.stepper.source_mask() if constraints else None
        self.positions = ops.arange(max_length)

    def run(self) -> Hypotheses:
        logits, state, weights = self.stepper.first()
        check_prefix(self.given_prefix, logits.shape[-1], self.special_ids)
        start = ops.convert_to_tensor(0, dtype="int32")
        found, weights = self._extend(start, self.nothing(state), logits, weights)
        attention, steps = ops.expand_dims(weights, 0), start
        if self.length > 1:
            steps, found, later = scan_while(
                lambda _, found: ops.logical_not(ops.all(found.ended)),
                self._step,
                found,
                self.length - 1,
                ops.shape(weights),
            )
            attention = ops.concatenate([attention, later], axis=0)
        return self._collect(found, steps + 1, ops.transpose(attention, (1, 0, 2)))

    def nothing(self, state: list[Tensor]) -> Sequences:
        """Sequences without tokens, after the first step."""
        batch, pad = self.stepper.batch, self.special_ids.pad
        return Sequences(
            tokens=ops.full((batch,), pad, dtype="int32"),
            ids=ops.full((batch, self.length), pad, dtype="int32"),
            scores=ops.zeros((batch,)),
            ended=ops.zeros((batch,), dtype="bool"),
            state=state,
        )

    def _step(self, t: Tensor, found: Sequences) -> tuple[Sequences, Tensor]:
        logits, state, weights = self.stepper.next(found.tokens, found.state)
        return self._extend(t + 1, found._replace(state=state), logits, weights)

    def _extend(
        self, length: Tensor, found: Sequences, logits: Tensor, weights: Tensor
    ) -> tuple[Sequences, Tensor]:
        """Sequences of `length` tokens by one more, and the weights of this step."""
        values, normalizer = self._values(length, found, logits)
        tokens = self.choose(length, values)
        chosen = ops.equal(ops.arange(values.shape[-1]), ops.expand_dims(tokens, 1))
        logp = ops.sum(ops.where(chosen, values, 0.0), axis=-1)
        if normalizer is not None:
            logp = ops.where(logp <= POSSIBLE, logp, logp - normalizer)
        return self._append(length, found, tokens, logp, weights)

    def _values(
        self, length: Tensor, found: Sequences, logits: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Scores `(B, V)` of the next tokens; what is to be subtracted from them."""
        values, normalizer = self._constrained(length, found, logits)
        never = is_one_of(self.special_ids.never_generated, ops.arange(values.shape[-1]))
        return ops.where(never, IMPOSSIBLE, values), normalizer

    def _append(
        self, length: Tensor, found: Sequences, tokens: Tensor, logp: Tensor, weights: Tensor
    ) -> tuple[Sequences, Tensor]:
        """Sequences with one token more, of log-probability `logp`, and its weights."""
        special = self.special_ids
        impossible = logp <= POSSIBLE
        logp = ops.where(impossible, IMPOSSIBLE, logp)
        tokens = ops.where(ops.logical_or(found.ended, impossible), special.pad, tokens)
        scores = found.scores + ops.where(found.ended, 0.0, logp)
        weights = ops.where(ops.expand_dims(found.ended, 1), 0.0, weights)
        now = ops.equal(self.positions, length)
        written = ops.where(now, ops.expand_dims(tokens, 1), found.ids)
        ended = ops.logical_or(found.ended, is_one_of((special.end, special.pad), tokens))
        return found._replace(tokens=tokens, ids=written, scores=scores, ended=ended), weights

    def _constrained(
        self, length: Tensor, found: Sequences, logits: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Scores `(B, V)` after constraints and prefix; what is to be subtracted from them."""
        if self.prefix is None and not self.constraints:
            return logits, ops.logsumexp(logits, axis=-1)
        logp = ops.expand_dims(ops.log_softmax(logits), 1)
        free = logp
        unfinished = Unfinished(length, ops.expand_dims(found.ids, 1), self.mask, self.special_ids)
        for constraint in self.constraints:
            free = constraint(free, unfinished)
        if self.prefix is not None:
            free = force(self.prefix, logp, free, unfinished)
        return ops.squeeze(free, 1), None

    def _collect(self, found: Sequences, steps: Tensor, attention: Tensor) -> Hypotheses:
        possible = found.scores > POSSIBLE
        ids = ops.where(ops.expand_dims(possible, 1), found.ids, self.special_ids.pad)
        attention = ops.where(ops.reshape(possible, (-1, 1, 1)), attention, 0.0)
        scores = ops.where(possible, found.scores, IMPOSSIBLE)
        lengths = ops.sum(ops.cast(ops.not_equal(ids, self.special_ids.pad), "int32"), axis=-1)
        ids, scores, lengths, attention = (
            ops.expand_dims(part, 1) for part in (ids, scores, lengths, attention)
        )
        # Cut last of all: XLA goes no further with a size that it does not know.
        return Hypotheses(ids[:, :, :steps], scores, lengths, attention[:, :, :steps])
