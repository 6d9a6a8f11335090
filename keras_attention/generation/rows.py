"""Decoding of one sequence a row, in whatever way the next token is chosen."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.loops import scan_while
from keras_attention._core.checks import check_positive
from keras_attention.generation.constraints import Constraint, Unfinished, force
from keras_attention.generation.stepping import NEVER, Stepper, prefix_columns
from keras_attention.text.vocabulary import END, PAD, START


class Decoded(NamedTuple):
    """What decoding found, batch first.

    Attributes:
        sequences: ids `(B, T)` int32, with the end where it was reached, then 0.
        scores: `(B,)`, the sum of the log-probabilities, in nats.
        lengths: `(B,)` int32, the ids up to and with the end.
        attention: `(B, T, S)`, zero after the end.

    Example:

    >>> from keras_attention.generation import Decoded
    >>> Decoded._fields
    ('sequences', 'scores', 'lengths', 'attention')
    """

    sequences: Any
    scores: Any
    lengths: Any
    attention: Any


class _Rows(NamedTuple):
    tokens: Any
    sequences: Any
    scores: Any
    ended: Any
    state: Any


def decode_rows(model, inputs, choose, max_length, prefix=None, constraints=()):
    """Decodes step after step until every row has ended.

    Args:
        model, inputs: anything with `start` and `step`, and what `start` takes.
        choose: `choose(t, values) -> tokens`, both for the rows of one step:
            log-probabilities `(B, V)`, or what differs from them by a number a
            row, to tokens `(B,)`. What is impossible is at most `NEVER`.
        max_length: how many tokens at most, the end included.
        prefix: ids `(B, P)` that each row begins with, padded with 0, or None.
        constraints: `Constraint` objects.

    Returns:
        `Decoded`, as wide as the longest row.
    """
    check_positive("max_length", max_length)
    check_constraints(constraints)
    stepper = Stepper(model, inputs)
    prefix = prefix_columns(prefix, max_length)
    mask = stepper.source_mask() if constraints else None
    places = ops.arange(max_length)

    def extend(length, rows, logits, weights):
        values, total = logits, None
        if prefix is None and not constraints:
            total = ops.logsumexp(logits, axis=-1)
        else:
            logp = ops.expand_dims(ops.log_softmax(logits), 1)
            free, unfinished = logp, Unfinished(length, ops.expand_dims(rows.sequences, 1), mask)
            for constraint in constraints:
                free = constraint(free, unfinished)
            if prefix is not None:
                free = force(prefix, logp, free, unfinished)
            values = ops.squeeze(free, 1)
        ids = ops.arange(values.shape[-1])
        never = ops.logical_or(ops.equal(ids, PAD), ops.equal(ids, START))
        tokens = choose(length, ops.where(never, NEVER, values))
        chosen = ops.equal(ids, ops.expand_dims(tokens, 1))
        logp = ops.sum(ops.where(chosen, values, 0.0), axis=-1)
        logp = logp if total is None else logp - total
        tokens = ops.where(rows.ended, PAD, tokens)
        scores = rows.scores + ops.where(rows.ended, 0.0, logp)
        weights = ops.where(ops.expand_dims(rows.ended, 1), 0.0, weights)
        now = ops.equal(places, length)
        sequences = ops.where(now, ops.expand_dims(tokens, 1), rows.sequences)
        ended = ops.logical_or(rows.ended, ops.equal(tokens, END))
        return rows._replace(
            tokens=tokens, sequences=sequences, scores=scores, ended=ended
        ), weights

    def step(t, rows):
        logits, state, weights = stepper.next(rows.tokens, rows.state)
        return extend(t + 1, rows._replace(state=state), logits, weights)

    batch = stepper.batch
    logits, state, weights = stepper.first()
    nothing = _Rows(
        tokens=None,
        sequences=ops.zeros((batch, max_length), dtype="int32"),
        scores=ops.zeros((batch,)),
        ended=ops.zeros((batch,), dtype="bool"),
        state=state,
    )
    start = ops.convert_to_tensor(0, dtype="int32")
    rows, weights = extend(start, nothing, logits, weights)
    attention, steps = ops.expand_dims(weights, 0), start
    if max_length > 1:
        steps, rows, later = scan_while(
            lambda _, rows: ops.logical_not(ops.all(rows.ended)),
            step,
            rows,
            max_length - 1,
            ops.shape(weights),
        )
        attention = ops.concatenate([attention, later], axis=0)
    attention = ops.transpose(attention, (1, 0, 2))
    sequences, attention = rows.sequences[:, : steps + 1], attention[:, : steps + 1]
    lengths = ops.sum(ops.cast(ops.not_equal(rows.sequences, PAD), "int32"), axis=-1)
    return Decoded(sequences, rows.scores, lengths, attention)


def check_constraints(constraints):
    """Refuses everything but a list of constraints."""
    listed = isinstance(constraints, (list, tuple))
    if not listed or not all(isinstance(one, Constraint) for one in constraints):
        raise ValueError(
            "constraints: expected a list of keras_attention.generation.Constraint objects, "
            f"received {constraints!r}."
        )
