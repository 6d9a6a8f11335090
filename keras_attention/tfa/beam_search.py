"""tfa's beam search, with the same beams, scores and lengths."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.gathers import gather_rows, gather_within_rows
from keras_attention._core.backend.loops import scan_while
from keras_attention._core.checks import check_number, check_positive
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.stepper import Stepper
from keras_attention.text.vocabulary import END, PAD
from keras_attention.tfa.trace_back import trace_back, write_step

# The log-probability in tfa of all tokens but the end, in a finished beam: the lowest float32.
LOWEST = -3.4028234663852886e38


class _Steps(NamedTuple):
    """The beams of every step, as in tfa's `BeamSearchDecoderOutput`.

    Attributes:
        scores: `(B, T, K)`, after both penalties, best first.
        predicted_ids: `(B, T, K)` int32, the token of each beam.
        parent_ids: `(B, T, K)` int32, the beam of the previous step that each beam continues.
    """

    scores: Tensor
    predicted_ids: Tensor
    parent_ids: Tensor


class TfaHypotheses(NamedTuple):
    """The result of `tfa_beam_search`: `K` beams, in tfa's order.

    The first four fields are those of `Hypotheses`.

    Attributes:
        sequences: `(B, K, T)` int32, including the end if it was reached, then 0
            (tfa repeats the end).
        scores: `(B, K)` float32, of the last step.
        lengths: `(B, K)` int32, including the end.
        attention: `(B, K, T, S)`, zero after the end.
        log_probs: `(B, K)` float32, before the penalties.
        finished: `(B, K)`, whether the end was reached.
        steps: the beams of every step, as in tfa's `BeamSearchDecoderOutput`:
            `scores`, `predicted_ids` and `parent_ids`, each `(B, T, K)`.

    Example:

    >>> from keras_attention.tfa import TfaHypotheses
    >>> TfaHypotheses._fields[:4]
    ('sequences', 'scores', 'lengths', 'attention')
    """

    sequences: Tensor
    scores: Tensor
    lengths: Tensor
    attention: Tensor
    log_probs: Tensor
    finished: Tensor
    steps: _Steps


class _Beams(NamedTuple):
    """The loop variables of the search: K beams of B examples, best first.

    Attributes:
        log_probs, finished, lengths: `(B, K)`, as in `TfaHypotheses`.
        coverage: `(B, K, S)`, the sum of the weights, or `()` without a coverage penalty.
        steps: buffers for all steps up to the maximum length.
        tokens: `(B * K,)`, the last tokens.
        state: the changing tensors of the decoder's state.
    """

    log_probs: Tensor
    finished: Tensor
    lengths: Tensor
    coverage: Structure
    steps: _Steps
    tokens: Tensor
    state: Structure


def tfa_beam_search(
    model: Any,
    inputs: Structure,
    beam_width: int = 4,
    length_penalty_weight: float = 0.0,
    coverage_penalty_weight: float = 0.0,
    max_length: int = 64,
) -> TfaHypotheses:
    """Finds the beams that `tfa.seq2seq.BeamSearchDecoder` finds, with the same scores.

        score(y) = log P(y) / ((5 + |y|) / 6)^length_penalty_weight
                   + coverage_penalty_weight * sum_s log(min(sum_t a_ts, 1))

    For new models use `keras_attention.generation.BeamSearch`. tfa differs from
    Wu et al. in these points, and so does this function:

    - Finished beams compete with unfinished ones for the K beams. One that
      falls out is lost.
    - In the step that ends a beam, |y| does not count the end; in later steps it
      does, so the order of finished beams may still change.
    - The coverage penalty applies only to beams that had finished before the
      step. A position whose weights sum to exactly 0 is taken to be padding.
    - The padding and start ids may be chosen.
    - Beams are traced back from the step in which the last beam of an example
      ended. If finished beams change order after that, `sequences` and
      `attention` have the order of that step, `scores` and `lengths` that of the
      last step.

    `attention` has the weights of each hypothesis. tfa's reordered
    `alignment_history` has not: there, the weights of a step belong to the beam
    that had the hypothesis' index one step earlier.

    Runs eagerly and inside a graph, with dynamic batch size and lengths, and
    stops when all beams have finished.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016, for
    the two penalties.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
            Nothing has to be tiled.
        inputs: the argument of `model.start`.
        beam_width: the number of beams K.
        length_penalty_weight: 0 for no penalty.
        coverage_penalty_weight: 0 for no penalty.
        max_length: the largest number of tokens, tfa's `maximum_iterations`.

    Returns:
        `TfaHypotheses`, where T is the number of steps that were run.

    Raises:
        ValueError: if `beam_width` or `max_length` is not a positive integer, or
            a weight is not a number of at least 0.

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
    examples = slots // beam_width
    logits, state, first_weights = stepper.first()
    logits, first_weights = gather_rows(logits, examples), gather_rows(first_weights, examples)
    stepper.spread(beam_width)
    best = ops.reshape(ops.equal(slots % beam_width, 0), (-1, beam_width))
    unwritten = ops.zeros((stepper.batch, max_length, beam_width), dtype="int32")
    beams = _Beams(
        # All beams but the first are copies of it; -inf keeps them from being chosen.
        log_probs=ops.where(best, 0.0, -float("inf")),
        finished=ops.logical_not(best),
        lengths=ops.zeros_like(best, dtype="int32"),
        coverage=search.by_beam(ops.zeros_like(first_weights)) if coverage_penalty_weight else (),
        steps=_Steps(ops.cast(unwritten, "float32"), unwritten, unwritten),
        tokens=None,
        state=[gather_rows(tensor, examples) for tensor in state],
    )
    count = ops.convert_to_tensor(0, dtype="int32")
    beams = search.extend(count, beams, logits, first_weights)
    attention = ops.expand_dims(first_weights, 0)

    def step(t: Tensor, beams: _Beams) -> tuple[_Beams, Tensor]:
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


def _collected(beams: _Beams, count: Tensor, attention: Tensor, slots: Tensor) -> TfaHypotheses:
    """The hypotheses of all beams after `count` steps, from weights `(T, B * K, S)`."""
    steps, (_, width) = beams.steps, beams.lengths.shape
    # Unused steps are cut off at the very end: XLA sums wrongly over an axis of dynamic size.
    longest = ops.max(beams.lengths, axis=1)
    through = trace_back(steps.parent_ids, longest)
    ids = ops.transpose(ops.take_along_axis(steps.predicted_ids, through, axis=2), (0, 2, 1))
    ends = ops.cast(ops.equal(ids, END), "int32")
    times = ops.arange(steps.parent_ids.shape[1])
    inside = ops.equal(ops.cumsum(ends, axis=2) - ends, 0)
    inside = ops.logical_and(inside, times < ops.reshape(longest, (-1, 1, 1)))

    # The weights of a step are in the order of the beams of the previous step.
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
        steps=_Steps(*(buffer[:, :count] for buffer in steps)),
    )


class _Search:
    """A step of tfa's beam search: scores all continuations and chooses the best."""

    def __init__(self, width: int, length_weight: float, coverage_weight: float) -> None:
        self.width, self.length_weight = width, length_weight
        self.coverage_weight = coverage_weight

    def by_beam(self, tensor: Tensor) -> Tensor:
        """`(B * K, N)` to `(B, K, N)`."""
        return ops.reshape(tensor, (-1, self.width, ops.shape(tensor)[1]))

    def extend(self, t: Tensor, beams: _Beams, logits: Tensor, weights: Tensor) -> _Beams:
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
        step = _Steps(scores, tokens, parents)
        first = ops.arange(ops.shape(parents)[0]) * self.width
        chosen_beams = ops.reshape(parents + ops.expand_dims(first, 1), (-1,))
        return _Beams(
            log_probs=gather_within_rows(_joined(log_probs), chosen),
            finished=ops.logical_or(finished, ops.equal(tokens, END)),
            lengths=lengths + ops.where(finished, 0, 1),
            coverage=gather_within_rows(coverage, parents) if self.coverage_weight else (),
            steps=_Steps(*(write_step(times, t, *pair) for pair in zip(step, beams.steps))),
            tokens=ops.reshape(tokens, (-1,)),
            state=[gather_rows(tensor, chosen_beams) for tensor in beams.state],
        )


def _joined(tensor: Tensor) -> Tensor:
    """`(B, K, V)` to `(B, K * V)`."""
    return ops.reshape(tensor, (-1, tensor.shape[1] * tensor.shape[2]))
