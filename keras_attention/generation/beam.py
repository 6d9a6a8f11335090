"""Beam search, batched and inside the graph, over one step protocol."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention._core.backend.gathers import gather_rows, gather_within_rows
from keras_attention._core.backend.loops import scan_while
from keras_attention._core.checks import (
    check_flag,
    check_number,
    check_positive,
    check_positive_number,
)
from keras_attention.generation.constraints import (
    BannedTokens,
    Constraint,
    MinimumLength,
    NoRepeatedNgrams,
    Unfinished,
    force,
    source_lengths,
    times,
)
from keras_attention.generation.extensions import best_extensions, constant
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.penalties import (
    AverageLength,
    Candidates,
    GNMTCoverage,
    GNMTLength,
    Penalty,
)
from keras_attention.generation.settings import Settings
from keras_attention.generation.stepping import NEVER, Stepper, prefix_columns
from keras_attention.text.vocabulary import END, PAD

POSSIBLE = NEVER / 2


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class BeamSearch(Settings):
    """Beam search: the most probable sequences that a narrow search finds.

    At every step each of the K best unfinished hypotheses of a row is extended
    by every token. Of all these, the K best that do not end go on. One that
    ends is finished if it is among the K best of all, and then waits apart
    from those that go on, so that nothing unfinished can take its place. What
    has not ended after `max_length` tokens is cut there and competes as it is.
    The score of a hypothesis is its log-probability, in nats, after the
    penalties. With one beam and no penalty that is greedy decoding.

    It runs eagerly and inside a graph, with dynamic batch and lengths,
    compiles with XLA where shapes are fixed, and converts to ONNX. The object
    holds settings alone and never changes.

    Sources: Graves, "Sequence Transduction with Recurrent Neural Networks",
    2012; Sutskever, Vinyals and Le, 2014; the penalties: Wu et al., "Google's
    Neural Machine Translation System", 2016.

    Args:
        width: K, how many hypotheses of a row go on at every step.
        n_best: how many are returned, at most K; by default K.
        max_length: how many tokens at most, the end included.
        max_length_ratio: at most `ceil(ratio * S)` tokens, and at least one,
            for a source of S tokens; within `max_length`.
        min_length: how many tokens at least, the end included.
        min_length_ratio: at least `ceil(ratio * S)` tokens.
        length_penalty: GNMT's alpha (0.6 is usual, 0 or None is no penalty),
            `"average"` for the mean log-probability of a token, or a
            `Penalty`.
        coverage_penalty: GNMT's beta (0.2 is usual, 0 is no penalty), or a
            `Penalty`.
        no_repeat_ngram: n, where no n tokens may come twice in a hypothesis;
            0 allows it.
        banned: ids that never come.
        penalties: more `Penalty` objects, applied after those above, in order.
        constraints: more `Constraint` objects, applied after those above, in
            order.
        early_stop: whether to stop as soon as no unfinished hypothesis can get
            among the n best any more. The result is the same without, later.

    Call arguments:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        inputs: what `model.start` takes.
        prefix: ids `(B, P)` that each hypothesis begins with, without the
            start, padded with 0, or None. They are part of the sequences, the
            scores and the lengths.

    Returns:
        `Hypotheses`.

    Raises:
        ValueError: for settings out of range, a model that does not decode, a
            prefix that is no matrix of ids, and ratios where the length of the
            source is not known.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import BeamSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> search = BeamSearch(width=3, max_length=4, length_penalty=0.6)
    >>> found = search(EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7], [8, 9, 0]]))
    >>> found.sequences.shape[:2] == (2, 3), tuple(found.scores.shape), tuple(found.lengths.shape)
    (True, (2, 3), (2, 3))
    """

    width: int = 4
    n_best: int | None = None
    max_length: int = 64
    max_length_ratio: float | None = None
    min_length: int = 0
    min_length_ratio: float | None = None
    length_penalty: float | str | Penalty | None = None
    coverage_penalty: float | Penalty = 0.0
    no_repeat_ngram: int = 0
    banned: tuple = ()
    penalties: tuple = ()
    constraints: tuple = ()
    early_stop: bool = True

    def __post_init__(self):
        check_positive("width", self.width)
        check_positive("max_length", self.max_length)
        if self.n_best is not None:
            check_positive("n_best", self.n_best)
            if self.n_best > self.width:
                raise ValueError(
                    f"n_best: expected at most the width, {self.width}, received {self.n_best}."
                )
        if self.max_length_ratio is not None:
            check_positive_number("max_length_ratio", self.max_length_ratio)
        if self.min_length_ratio is not None:
            check_number("min_length_ratio", self.min_length_ratio, at_least=0)
        for name in ("min_length", "no_repeat_ngram"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name}: expected an integer of at least 0, received {value!r}.")
        if self.min_length > self.max_length:
            raise ValueError(
                f"min_length: expected at most max_length, {self.max_length}, received "
                f"{self.min_length}."
            )
        if self.length_penalty not in (None, "average"):
            _check_penalty("length_penalty", self.length_penalty, ", 'average', None")
        _check_penalty("coverage_penalty", self.coverage_penalty)
        check_flag("early_stop", self.early_stop)
        for name, kind in (("penalties", Penalty), ("constraints", Constraint)):
            given = getattr(self, name)
            if not isinstance(given, (list, tuple)) or not all(isinstance(x, kind) for x in given):
                raise ValueError(
                    f"{name}: expected a list of keras_attention.generation.{kind.__name__} "
                    f"objects, received {given!r}."
                )
            object.__setattr__(self, name, tuple(given))
        object.__setattr__(self, "banned", BannedTokens(self.banned).ids)

    def __call__(self, model, inputs, prefix=None):
        return _Search(self, Stepper(model, inputs), prefix).run()

    def all_penalties(self):
        """The penalties, named and others, in the order in which they are applied."""
        named = []
        if isinstance(self.length_penalty, Penalty):
            named.append(self.length_penalty)
        elif self.length_penalty:
            average = self.length_penalty == "average"
            named.append(AverageLength() if average else GNMTLength(self.length_penalty))
        if isinstance(self.coverage_penalty, Penalty):
            named.append(self.coverage_penalty)
        elif self.coverage_penalty:
            named.append(GNMTCoverage(self.coverage_penalty))
        return (*named, *self.penalties)

    def all_constraints(self):
        """The constraints, named and others, in the order in which they are applied."""
        named = []
        if self.min_length > 1 or self.min_length_ratio:
            named.append(MinimumLength(self.min_length, self.min_length_ratio))
        if self.no_repeat_ngram:
            named.append(NoRepeatedNgrams(self.no_repeat_ngram))
        if self.banned:
            named.append(BannedTokens(self.banned))
        return (*named, *self.constraints)


def beam_search(model, inputs, prefix=None, **settings):
    """`BeamSearch(**settings)(model, inputs, prefix)`, for a single use.

    Args:
        model, inputs, prefix: as the call of `BeamSearch`.
        **settings: of `BeamSearch`.

    Returns:
        `Hypotheses`.

    Raises:
        ValueError: as `BeamSearch`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import beam_search
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> found = beam_search(model, np.array([[5, 6, 7]]), width=2, max_length=3)
    >>> tuple(found.scores.shape)
    (1, 2)
    """
    return BeamSearch(**settings)(model, inputs, prefix)


class _Beams(NamedTuple):
    """What travels in the loop, for B rows of K beams.

    A history holds a number for each token: `slot * V + token`, where the slot
    is that of the beam that was extended by the token. So the attention can be
    collected at the end, and is not gathered at every step.

    Attributes:
        tokens: `(B * K,)`, the last ones.
        logp: `(B, K)`, the best first.
        history: `(B, K, T)`, 0 where there is no token yet.
        scores: `(B, N)` of the best that are finished, the best first.
        finished: `(B, N, T)`, their histories.
        coverage: `(B, K, S)`, or `()` where nothing needs it.
        state: the tensors of the model's state that change.
    """

    tokens: Any
    logp: Any
    history: Any
    scores: Any
    finished: Any
    coverage: Any
    state: Any


class _Search:
    """One call of a `BeamSearch`."""

    def __init__(self, settings, stepper, prefix):
        self.stepper, self.width, self.length = stepper, settings.width, settings.max_length
        self.n_best = settings.n_best or settings.width
        self.penalties, self.constraints = settings.all_penalties(), settings.all_constraints()
        self.prefix = prefix_columns(prefix, self.length)
        self.constrained = self.prefix is not None or bool(self.constraints)
        self.early_stop = settings.early_stop and all(c.lowers_only for c in self.constraints)
        self.covers = any(penalty.needs_coverage for penalty in self.penalties)
        self.ratio, mask = settings.max_length_ratio, None
        if self.penalties or self.constraints or self.ratio:
            mask = stepper.source_mask()
        self.source_mask, self.limits = mask, self.length
        if self.ratio:
            limits = times(self.ratio, source_lengths("max_length_ratio", mask))
            self.limits = ops.expand_dims(ops.clip(limits, 1, self.length), 1)
        self.places = ops.arange(self.length)
        slots = ops.arange(stepper.batch * self.width)
        self.row_of_slot = slots // self.width
        self.first_slot = ops.reshape(slots - slots % self.width, (-1, self.width))

    def run(self):
        batch, width = self.stepper.batch, self.width
        logits, state, first_weights = self.stepper.first()
        self.vocabulary = logits.shape[-1]
        beams = _Beams(
            tokens=None,
            logp=ops.zeros((batch, 1)),
            history=ops.zeros((batch, 1, self.length), dtype="int32"),
            scores=ops.full((batch, self.n_best), NEVER, dtype="float32"),
            finished=ops.zeros((batch, self.n_best, self.length), dtype="int32"),
            coverage=ops.expand_dims(ops.zeros_like(first_weights), 1) if self.covers else (),
            state=state,
        )
        self.stepper.spread(self.row_of_slot, width)
        start = ops.convert_to_tensor(0, dtype="int32")
        beams = self._extend(start, beams, logits, first_weights, slots=1)
        steps, weights = start, None
        if self.length > 1:
            shape = (batch * width, ops.shape(first_weights)[-1])
            steps, beams, weights = scan_while(
                self._goes_on, self._step, beams, self.length - 1, shape
            )
        return self._collect(steps + 1, beams, first_weights, weights)

    def _goes_on(self, steps, beams):
        """Whether anything that is unfinished after `steps + 1` tokens can still matter."""
        done = steps + 1 >= self.limits if self.ratio else None
        if self.early_stop:
            # The first is the best, and none of them gains by going on.
            bound = beams.logp[:, :1]
            for penalty in self.penalties:
                bound = None if bound is None else penalty.bound(bound, self.limits)
            if bound is not None:
                beaten = beams.scores[:, -1:] >= bound
                done = beaten if done is None else ops.logical_or(done, beaten)
        return True if done is None else ops.logical_not(ops.all(done))

    def _step(self, steps, beams):
        logits, state, weights = self.stepper.next(beams.tokens, beams.state)
        beams = beams._replace(state=state)
        return self._extend(steps + 1, beams, logits, weights, self.width), weights

    def _extend(self, length, beams, logits, weights, slots):
        """From hypotheses of `length` tokens, in `slots` beams a row, to those of one more."""
        width, size = self.width, self.vocabulary
        if self.constrained:
            logits = self._constrained(length, beams, logits, slots)
        logp, parent, tokens, base = best_extensions(logits, beams.logp, width, self.constrained)
        codes = parent * size + tokens

        # Those that end now, if they are among the best of all.
        ends = ops.reshape(logits[:, END], (-1, slots)) + base
        both, _ = ops.top_k(ops.concatenate([logp, ends], axis=1), width)
        among_best = ends >= ops.maximum(both[:, -1:], POSSIBLE)
        if self.ratio:
            # A row that is as long as it may be stays as it is.
            open_rows = length < self.limits
            among_best = ops.logical_and(among_best, open_rows)
            logp = ops.where(open_rows, logp, beams.logp if slots == width else NEVER)
            parent = ops.where(open_rows, parent, ops.arange(width))
            weights = ops.where(ops.repeat(open_rows, slots, axis=0), weights, 0.0)
        coverage = beams.coverage
        if self.covers:
            seen = ops.reshape(weights, (-1, slots, ops.shape(weights)[-1]))
            coverage = coverage + seen
        ended = ops.where(among_best, self._scores(ends, length + 1, coverage), NEVER)

        now = ops.equal(self.places, length)
        end_codes = ops.reshape(constant(range(END, slots * size, size)), (1, slots, 1))
        finished = ops.where(now, end_codes, beams.history)
        scores, kept = ops.top_k(ops.concatenate([beams.scores, ended], axis=1), self.n_best)
        finished = ops.concatenate([beams.finished, finished], axis=1)
        finished = gather_within_rows(finished, kept)

        if self.ratio:
            now = ops.logical_and(now, ops.expand_dims(open_rows, 2))
        history = gather_within_rows(beams.history, parent)
        history = ops.where(now, ops.expand_dims(codes, 2), history)
        if self.covers:
            coverage = gather_within_rows(coverage, parent)
        first = self.first_slot if slots == width else self.first_slot // width
        rows = ops.reshape(first + parent, (-1,))
        state = [gather_rows(tensor, rows) for tensor in beams.state]
        tokens = ops.reshape(tokens, (-1,))
        return _Beams(tokens, logp, history, scores, finished, coverage, state)

    def _constrained(self, length, beams, logits, slots):
        """Logits `(B * slots, V)` to log-probabilities after the constraints and the prefix."""
        flat = ops.shape(logits)
        logp = ops.reshape(ops.log_softmax(logits), (-1, slots, self.vocabulary))
        unfinished = Unfinished(length, beams.history % self.vocabulary, self.source_mask)
        free = logp
        for constraint in self.constraints:
            free = constraint(free, unfinished)
        if self.prefix is not None:
            free = force(self.prefix, logp, free, unfinished)
        return ops.reshape(free, flat)

    def _scores(self, logp, lengths, coverage):
        candidates = Candidates(lengths, coverage if self.covers else None, self.source_mask)
        for penalty in self.penalties:
            logp = penalty(logp, candidates)
        return logp

    def _collect(self, length, beams, first_weights, weights):
        """The best of the finished and of those that were cut after `length` tokens."""
        limits = self.limits
        cut = ops.logical_and(length >= limits, beams.logp > POSSIBLE)
        lengths = ops.minimum(length, limits)
        cut = ops.where(cut, self._scores(beams.logp, lengths, beams.coverage), NEVER)
        scores, kept = ops.top_k(ops.concatenate([beams.scores, cut], axis=1), self.n_best)
        history = ops.concatenate([beams.finished, beams.history], axis=1)
        # By flat rows: XLA finds no bound for a size, that of the longest, behind the other gather.
        first_of_row = ops.expand_dims(ops.arange(self.stepper.batch), 1) * history.shape[1]
        history = gather_rows(ops.reshape(history, (-1, self.length)), first_of_row + kept)
        possible = ops.expand_dims(scores > POSSIBLE, 2)
        history = ops.where(possible, history, 0)
        scores = ops.maximum(scores, NEVER)
        real = ops.not_equal(history, 0)
        lengths = ops.sum(ops.cast(real, "int32"), axis=-1)
        sequences = ops.where(real, history % self.vocabulary, PAD)
        attention = self._attention(history, real, first_weights, weights)
        # Cut last of all: XLA goes no further with a size that it does not know.
        longest = ops.maximum(ops.max(lengths), 1)
        sequences, attention = sequences[:, :, :longest], attention[:, :, :longest]
        return Hypotheses(sequences, scores, lengths, attention)

    def _attention(self, history, real, first_weights, weights):
        """The weights `(B, N, T, S)` of each token, where the histories say they stand."""
        batch, width = self.stepper.batch, self.width
        first_of_row = ops.reshape(ops.arange(batch), (-1, 1, 1))
        # The first step had one beam a row; and there may have been fewer steps than places.
        rows = first_of_row * width + history // self.vocabulary
        rows = rows + (self.places - 1) * (batch * width) + batch
        rows = ops.where(self.places == 0, first_of_row, rows)
        if weights is not None:
            weights = ops.reshape(weights, (-1, ops.shape(weights)[-1]))
            first_weights = ops.concatenate([first_weights, weights], axis=0)
        attention = gather_rows(first_weights, ops.where(real, rows, 0))
        return ops.where(ops.expand_dims(real, 3), attention, 0.0)


def _check_penalty(name, value, others=""):
    if not isinstance(value, Penalty):
        try:
            check_number(name, value, at_least=0)
        except ValueError:
            raise ValueError(
                f"{name}: expected a number of at least 0{others} or a "
                f"keras_attention.generation.Penalty, received {value!r}."
            ) from None
