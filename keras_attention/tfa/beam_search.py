"""tfa's beam search, with the same beams, scores and lengths."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.gathers import gather_rows, gather_within_rows
from keras_attention._core.backend.loops import scan_while
from keras_attention._core.checks import check_number, check_positive
from keras_attention.generation.stepping import Stepper
from keras_attention.text.vocabulary import END, PAD
from keras_attention.tfa.trace_back import _write, trace_back

# What tfa gives a finished beam for any token but the end: the lowest float32.
LOWEST = -3.4028234663852886e38


class TfaSteps(NamedTuple):
    """The beams of every step, as tfa's `BeamSearchDecoderOutput` has them.

    Attributes:
        scores: `(B, T, K)`, after both penalties, best first.
        predicted_ids: `(B, T, K)` int32, what each beam was continued by.
        parent_ids: `(B, T, K)` int32, which beam of the step before it continues.

    Example:

    >>> from keras_attention.tfa import TfaSteps
    >>> TfaSteps._fields
    ('scores', 'predicted_ids', 'parent_ids')
    """

    scores: Any
    predicted_ids: Any
    parent_ids: Any


class TfaHypotheses(NamedTuple):
    """What `tfa_beam_search` found: `K` beams, in tfa's order.

    The first four are those of `Hypotheses`.

    Attributes:
        sequences: `(B, K, T)` int32, with the end where it was reached, then 0
            (where tfa repeats the end).
        scores: `(B, K)` float32, of the last step.
        lengths: `(B, K)` int32, with the end.
        attention: `(B, K, T, S)`, zero after the end.
        log_probs: `(B, K)` float32, before the penalties.
        finished: `(B, K)`, whether the end was reached.
        steps: `TfaSteps`.

    Example:

    >>> from keras_attention.tfa import TfaHypotheses
    >>> TfaHypotheses._fields[:4]
    ('sequences', 'scores', 'lengths', 'attention')
    """

    sequences: Any
    scores: Any
    lengths: Any
    attention: Any
    log_probs: Any
    finished: Any
    steps: TfaSteps


class _Beams(NamedTuple):
    """What travels in the loop, for B rows of K beams, the best first.

    Attributes:
        log_probs, finished, lengths: `(B, K)`, as in `TfaHypotheses`.
        coverage: `(B, K, S)`, the sum of the weights, or `()` without a penalty on it.
        steps: `TfaSteps` as wide as there may be steps.
        tokens: `(B * K,)`, the last ones.
        state: the tensors of the model's state that change.
    """

    log_probs: Any
    finished: Any
    lengths: Any
    coverage: Any
    steps: TfaSteps
    tokens: Any
    state: Any


def tfa_beam_search(
    model,
    inputs,
    beam_width=4,
    length_penalty_weight=0.0,
    coverage_penalty_weight=0.0,
    max_length=64,
):
    """Finds the beams that `tfa.seq2seq.BeamSearchDecoder` finds, with the same scores.

        score(y) = log P(y) / ((5 + |y|) / 6)^length_penalty_weight
                   + coverage_penalty_weight * sum_s log(min(sum_t a_ts, 1))

    For new models take `beam_search`. What tfa does otherwise than Wu et al.
    have it, and this does as tfa:

    - A finished beam keeps its place among the alive ones, and loses it for
      good to better ones.
    - In the step that ends a beam, |y| is counted without the end, after it
      with the end; so the order of finished beams may still change.
    - Coverage counts only for beams that had finished before the step, and a
      position that was never attended to (its sum is exactly 0) is taken for
      padding.
    - Padding and start may be chosen.
    - A beam is traced back from the step in which the last beam of its row
      ended. Where finished beams change places after that, `sequences` and
      `attention` are still in the order of that step, `scores` and `lengths`
      in the last one.

    `attention` is what each hypothesis attended to. tfa's reordered
    `alignment_history` is not: there, the weights of each step are those of
    whichever beam had the hypothesis' place one step earlier.

    Runs eagerly and inside a graph, with dynamic batch and lengths, and stops
    when all beams have finished.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016, for
    the two penalties.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
            Nothing is to be tiled beforehand.
        inputs: what `model.start` takes.
        beam_width: how many beams.
        length_penalty_weight: 0 for none.
        coverage_penalty_weight: 0 for none.
        max_length: how many tokens at most, tfa's `maximum_iterations`.

    Returns:
        `TfaHypotheses`, as wide as there were steps.

    Raises:
        ValueError: where `beam_width` or `max_length` is not a positive
            integer, or a weight is not a number of at least 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.tfa import tfa_beam_search
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> found = tfa_beam_search(model, np.array([[5, 6, 7]]), beam_width=3, max_length=4)
    >>> tuple(found.scores.shape), tuple(found.sequences.shape)
    ((1, 3), (1, 3, 4))
    """
    check_positive("beam_width", beam_width)
    check_positive("max_length", max_length)
    check_number("length_penalty_weight", length_penalty_weight, at_least=0)
    check_number("coverage_penalty_weight", coverage_penalty_weight, at_least=0)
    search = _Search(beam_width, length_penalty_weight, coverage_penalty_weight)
    stepper = Stepper(model, inputs)
    slots = ops.arange(stepper.batch * beam_width)
    rows = slots // beam_width
    logits, state, first_weights = stepper.first()
    logits, first_weights = gather_rows(logits, rows), gather_rows(first_weights, rows)
    stepper.spread(rows, beam_width)
    best = ops.reshape(ops.equal(slots % beam_width, 0), (-1, beam_width))
    unwritten = ops.zeros((stepper.batch, max_length, beam_width), dtype="int32")
    beams = _Beams(
        # All but the first are copies of it, which -inf keeps from being chosen.
        log_probs=ops.where(best, 0.0, -float("inf")),
        finished=ops.logical_not(best),
        lengths=ops.zeros_like(best, dtype="int32"),
        coverage=search.by_beam(ops.zeros_like(first_weights)) if coverage_penalty_weight else (),
        steps=TfaSteps(ops.cast(unwritten, "float32"), unwritten, unwritten),
        tokens=None,
        state=[gather_rows(tensor, rows) for tensor in state],
    )
    count = ops.convert_to_tensor(0, dtype="int32")
    beams = search.extend(count, beams, logits, first_weights)
    attention = ops.expand_dims(first_weights, 0)

    def step(t, beams):
        logits, state, weights = stepper.next(beams.tokens, beams.state)
        return search.extend(t + 1, beams._replace(state=state), logits, weights), weights

    if max_length > 1:
        count, beams, weights = scan_while(
            lambda t, beams: ops.logical_not(ops.all(beams.finished)),
            step,
            beams,
            max_length - 1,
            ops.shape(first_weights),
        )
        attention = ops.concatenate([attention, weights], axis=0)
    return _collected(beams, count + 1, attention, slots)


def _collected(beams, count, attention, slots):
    """The hypotheses of all beams after `count` steps, `attention` being `(T, B * K, S)`."""
    steps, (_, width) = beams.steps, beams.lengths.shape
    # What is left of the buffers is cut off at the very end: XLA sums wrongly over a cut axis.
    longest = ops.max(beams.lengths, axis=1)
    through = trace_back(steps.parent_ids, longest)
    ids = ops.transpose(ops.take_along_axis(steps.predicted_ids, through, axis=2), (0, 2, 1))
    ends = ops.cast(ops.equal(ids, END), "int32")
    times = ops.arange(steps.parent_ids.shape[1])
    inside = ops.equal(ops.cumsum(ends, axis=2) - ends, 0)
    inside = ops.logical_and(inside, times < ops.reshape(longest, (-1, 1, 1)))

    # The weights of a step are in the order of the beams before it.
    before = ops.transpose(ops.take_along_axis(steps.parent_ids, through, axis=2), (0, 2, 1))
    at = ops.reshape(slots, (-1, width, 1))[:, :1] + before + times * ops.shape(slots)[0]
    attention = ops.reshape(attention, (-1, ops.shape(attention)[2]))
    attention = gather_rows(attention, at[:, :, :count])
    return TfaHypotheses(
        sequences=ops.where(inside, ids, PAD)[:, :, :count],
        scores=ops.take(steps.scores, count - 1, axis=1),
        lengths=beams.lengths,
        attention=ops.where(ops.expand_dims(inside[:, :, :count], 3), attention, 0.0),
        log_probs=beams.log_probs,
        finished=beams.finished,
        steps=TfaSteps(*(buffer[:, :count] for buffer in steps)),
    )


class _Search:
    """A step of tfa's beam search: which beams continue which, by what."""

    def __init__(self, width, length_weight, coverage_weight):
        self.width, self.length_weight = width, length_weight
        self.coverage_weight = coverage_weight

    def by_beam(self, tensor):
        """`(B * K, N)` to `(B, K, N)`."""
        return ops.reshape(tensor, (-1, self.width, ops.shape(tensor)[1]))

    def extend(self, t, beams, logits, weights):
        """The beams after step `t`, from those before it."""
        size = logits.shape[-1]
        ends = ops.equal(ops.arange(size), END)
        ended = ops.expand_dims(beams.finished, 2)
        log_probs = ops.reshape(ops.log_softmax(logits, axis=-1), (-1, self.width, size))
        log_probs = ops.where(ended, ops.where(ends, 0.0, LOWEST), log_probs)
        log_probs = log_probs + ops.expand_dims(beams.log_probs, 2)

        scores, coverage = log_probs, beams.coverage
        if self.length_weight:
            longer = ops.logical_not(ops.logical_or(ended, ends))
            lengths = ops.expand_dims(beams.lengths, 2) + ops.cast(longer, "int32")
            penalty = ops.power((5.0 + ops.cast(lengths, "float32")) / 6.0, self.length_weight)
            scores = scores / penalty
        if self.coverage_weight:
            coverage = coverage + ops.where(ended, 0.0, self.by_beam(weights))
            attended = ops.where(ops.equal(coverage, 0.0), 1.0, ops.minimum(coverage, 1.0))
            penalty = ops.sum(ops.log(attended), axis=2, keepdims=True)
            scores = scores + self.coverage_weight * ops.where(ended, penalty, 0.0)

        scores, chosen = ops.top_k(_joined(scores), self.width)
        parents, tokens = chosen // size, chosen % size
        finished = gather_within_rows(beams.finished, parents)
        lengths = gather_within_rows(beams.lengths, parents)
        times = ops.arange(beams.steps.parent_ids.shape[1])
        step = TfaSteps(scores, tokens, parents)
        rows = ops.arange(ops.shape(parents)[0]) * self.width
        rows = ops.reshape(parents + ops.expand_dims(rows, 1), (-1,))
        return _Beams(
            log_probs=gather_within_rows(_joined(log_probs), chosen),
            finished=ops.logical_or(finished, ops.equal(tokens, END)),
            lengths=lengths + ops.where(finished, 0, 1),
            coverage=gather_within_rows(coverage, parents) if self.coverage_weight else (),
            steps=TfaSteps(*(_write(times, t, *pair) for pair in zip(step, beams.steps))),
            tokens=ops.reshape(tokens, (-1,)),
            state=[gather_rows(tensor, rows) for tensor in beams.state],
        )


def _joined(tensor):
    """`(B, K, V)` to `(B, K * V)`."""
    return ops.reshape(tensor, (-1, tensor.shape[1] * tensor.shape[2]))
