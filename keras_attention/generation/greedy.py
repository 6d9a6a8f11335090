"""Greedy decoding: the most probable token, step after step, inside the graph."""

from typing import Any, NamedTuple

from keras import ops, tree

from keras_attention.checks import check_positive
from keras_attention.text import END, PAD, START


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


def greedy(model, inputs, max_length=64):
    """Decodes the most probable token at every step, for a whole batch.

    Runs eagerly and inside a graph, with dynamic batch and lengths, stops when
    every row has ended, and converts to ONNX. Padding and start are never
    chosen. A row that has not ended after `max_length` tokens is cut there.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        inputs: what `model.start` takes.
        max_length: how many tokens at most, the end included.

    Returns:
        `Decoded`, as wide as the longest row.

    Raises:
        ValueError: where `max_length` is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import greedy
    >>> from keras_attention.models import EncoderDecoder
    >>> found = greedy(EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7]]), max_length=4)
    >>> found.sequences.shape[0], found.sequences.shape[1] <= 4
    (1, True)
    """
    check_positive("max_length", max_length)
    first = model.start(inputs)
    batch = ops.shape(tree.flatten(first)[0])[0]
    start = ops.full((batch,), START, dtype="int32")
    # The first step stands before the loop: it shows which tensors of the state
    # change, so that the others (the memory) stay outside, and how wide the
    # attention is.
    token, logp, state, weights = _choose(model, start, first)
    changing = [
        i for i, (a, b) in enumerate(zip(tree.flatten(first), tree.flatten(state))) if a is not b
    ]

    def with_changed(tensors):
        flat = tree.flatten(first)
        for i, tensor in zip(changing, tensors):
            flat[i] = tensor
        return tree.pack_sequence_as(first, flat)

    steps = ops.arange(max_length)
    sequences = ops.where(ops.expand_dims(steps == 0, 0), ops.expand_dims(token, 1), PAD)
    attention = _place(steps == 0, weights, 0.0)
    ended = ops.equal(token, END)
    lengths = ops.ones_like(token)
    flat = tree.flatten(state)
    loop = [ops.convert_to_tensor(1, dtype="int32"), token, logp, ended, lengths]
    loop += [sequences, attention, *(flat[i] for i in changing)]

    def unfinished(t, token, scores, ended, *_):
        return ops.logical_and(t < max_length, ops.logical_not(ops.all(ended)))

    def body(t, token, scores, ended, lengths, sequences, attention, *changed):
        chosen, logp, state, weights = _choose(model, token, with_changed(changed))
        chosen = ops.where(ended, PAD, chosen)
        scores = scores + ops.where(ended, 0.0, logp)
        lengths = lengths + ops.where(ended, 0, 1)
        weights = ops.where(ops.expand_dims(ended, 1), 0.0, weights)
        # A fixed-size TensorArray differs in ONNX after an early exit; a buffer does not.
        now = ops.equal(steps, t)
        sequences = ops.where(ops.expand_dims(now, 0), ops.expand_dims(chosen, 1), sequences)
        attention = _place(now, weights, attention)
        ended = ops.logical_or(ended, ops.equal(chosen, END))
        flat = tree.flatten(state)
        kept = [_like(flat[i], before) for i, before in zip(changing, changed)]
        return t + 1, chosen, scores, ended, lengths, sequences, attention, *kept

    t, _, scores, _, lengths, sequences, attention, *_ = ops.while_loop(unfinished, body, loop)
    return Decoded(sequences[:, :t], scores, lengths, attention[:, :t])


def _choose(model, tokens, state):
    logits, state, weights = model.step(tokens, state)
    logits = ops.cast(logits, "float32")
    ids = ops.arange(logits.shape[-1])
    never = ops.logical_or(ops.equal(ids, PAD), ops.equal(ids, START))
    # top_k, because argmax of floats does not convert to ONNX.
    top, token = ops.top_k(ops.where(never, -1e30, logits), 1)
    logp = top[:, 0] - ops.logsumexp(logits, axis=-1)
    return ops.cast(token[:, 0], "int32"), logp, state, weights


def _place(now, weights, elsewhere):
    return ops.where(ops.reshape(now, (1, -1, 1)), ops.expand_dims(weights, 1), elsewhere)


def _like(tensor, before):
    """A state keeps its dtype from step to step, or the loop would refuse it."""
    return ops.cast(tensor, before.dtype)
