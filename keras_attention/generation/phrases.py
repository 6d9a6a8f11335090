"""Phrases that a text has to contain: how far each hypothesis is with them."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention._core.types import Tensor
from keras_attention.generation.constraints import Unfinished


class Progress(NamedTuple):
    """How far hypotheses are with their phrases.

    Attributes:
        done: `(B, K, P)`, whether a phrase occurs.
        begun: `(B, K, P, L)`, at l whether the last l + 1 tokens are the first
            l + 1 of the phrase.
    """

    done: Tensor
    begun: Tensor


class Phrases:
    """Up to P phrases of up to L tokens for each example, P and L known.

    A phrase is in a hypothesis if its tokens occur side by side; phrases may
    overlap, and one that is given twice needs to occur once. What is missing of
    a hypothesis are all tokens of the phrases that do not occur, less those of
    one that its last tokens have begun: writing on, this many tokens suffice.

    Args:
        ids: `(B, P, L)`, padded.
        pad: the id of padding.
    """

    def __init__(self, ids: Tensor, pad: int) -> None:
        self.ids = ids
        self.number, self.longest = ids.shape[1], ids.shape[2]
        real = ops.cast(ops.not_equal(ids, pad), "int32")
        self.real = real
        self.lengths = ops.sum(real, axis=-1)
        self.total = ops.sum(self.lengths, axis=-1)
        # All tokens of all phrases, each once.
        count = self.number * self.longest
        self.tokens = ops.reshape(ids, (-1, count))
        same = ops.equal(ops.expand_dims(self.tokens, 2), ops.expand_dims(self.tokens, 1))
        order = ops.arange(count)
        earlier = ops.expand_dims(order, 0) < ops.expand_dims(order, 1)
        repeated = ops.any(ops.logical_and(same, earlier), axis=-1)
        self.usable = ops.logical_and(ops.not_equal(self.tokens, pad), ops.logical_not(repeated))

    def occur(self, sequences: Tensor) -> Tensor:
        """Whether each phrase occurs in sequences `(B, K, T)`: `(B, K, P)`."""
        length = sequences.shape[-1]
        behind = ops.pad(sequences, ((0, 0), (0, 0), (0, self.longest)), constant_values=-1)
        found = None
        for i in range(self.longest):
            shifted = ops.expand_dims(behind[:, :, i : i + length], 2)
            token = ops.reshape(self.ids[:, :, i], (-1, 1, self.number, 1))
            beyond = ops.reshape(ops.equal(self.real[:, :, i], 0), (-1, 1, self.number, 1))
            fits = ops.logical_or(ops.equal(shifted, token), beyond)
            found = fits if found is None else ops.logical_and(found, fits)
        return ops.any(found, axis=-1)

    def progress(self, unfinished: Unfinished) -> Progress:
        """How far the hypotheses are before their next token."""
        begun = []
        for last in range(1, self.longest + 1):
            fits = None
            for i in range(last):
                token = ops.expand_dims(unfinished.last(last - i), 2)
                same = ops.equal(token, ops.expand_dims(self.ids[:, :, i], 1))
                fits = same if fits is None else ops.logical_and(fits, same)
            begun.append(fits)
        return Progress(self.occur(unfinished.tokens), ops.stack(begun, axis=-1))

    def after(self, progress: Progress) -> Progress:
        """The progress `(B, K, Q, ...)` after each of the Q tokens of the phrases."""
        first = ops.ones_like(progress.begun[..., :1])
        before = ops.concatenate([first, progress.begun[..., :-1]], axis=-1)
        tokens = ops.reshape(self.tokens, (-1, 1, self.tokens.shape[1], 1, 1))
        same = ops.equal(tokens, ops.reshape(self.ids, (-1, 1, 1, self.number, self.longest)))
        begun = ops.logical_and(ops.expand_dims(before, 2), same)
        at_end = self._at_end((-1, 1, 1, self.number, self.longest))
        ended = ops.any(ops.logical_and(begun, at_end), axis=-1)
        return Progress(ops.logical_or(ops.expand_dims(progress.done, 2), ended), begun)

    def absent(self, done: Tensor) -> Tensor:
        """The number of tokens of the phrases that are not done, `(B, K, ...)`."""
        shape = (-1, *(1,) * (len(done.shape) - 2), self.number)
        return ops.sum(ops.where(done, 0, ops.reshape(self.lengths, shape)), axis=-1)

    def missing(self, progress: Progress) -> Tensor:
        """How many more tokens suffice to write all phrases, `(B, K, ...)`."""
        done, begun = progress
        open_ = ops.logical_and(begun, ops.logical_not(ops.expand_dims(done, -1)))
        shape = (-1, *(1,) * (len(begun.shape) - 3), self.number, self.longest)
        real = ops.reshape(self.real, shape) > 0
        lengths = ops.where(ops.logical_and(open_, real), ops.arange(1, self.longest + 1), 0)
        return self.absent(done) - ops.max(ops.max(lengths, axis=-1), axis=-1)

    def _at_end(self, shape: tuple[int, ...]) -> Tensor:
        """True at the last token of each phrase."""
        last = ops.arange(1, self.longest + 1)
        return ops.reshape(ops.equal(ops.expand_dims(self.lengths, -1), last), shape)
