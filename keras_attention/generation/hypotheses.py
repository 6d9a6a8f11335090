"""What a search returns."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.types import Tensor


class Hypotheses(NamedTuple):
    """The N best hypotheses of each example, the best first; N is 1 without beams.

    Where an example has fewer than N (a tiny vocabulary, a prefix that ends or
    that cannot be followed), the others have a score of -1e30, length 0 and no
    ids.

    Attributes:
        sequences: ids `(B, N, T)` int32, with the end where it was reached,
            then padding; as wide as the longest hypothesis.
        scores: `(B, N)` float32, log-probabilities in nats after all penalties.
        lengths: `(B, N)` int32, the number of ids up to and with the end.
        attention: `(B, N, T, S)`, zero after the end; S is 0 for a decoder
            without weights.

    Example:

    >>> from keras_attention.generation import Hypotheses
    >>> Hypotheses._fields
    ('sequences', 'scores', 'lengths', 'attention')
    """

    sequences: Tensor
    scores: Tensor
    lengths: Tensor
    attention: Tensor


def select(found: Hypotheses, n_best: int) -> Hypotheses:
    """The n best of hypotheses in any order."""
    batch, number = ops.shape(found.scores)[0], found.scores.shape[1]
    scores, kept = ops.top_k(found.scores, n_best)
    rows = ops.expand_dims(ops.arange(batch), 1) * number + ops.cast(kept, "int32")

    def selected(part: Tensor) -> Tensor:
        # With flat indices: behind another gather, XLA finds no bound for the longest length.
        return gather_rows(ops.reshape(part, (-1, *ops.shape(part)[2:])), rows)

    sequences, lengths = selected(found.sequences), selected(found.lengths)
    return Hypotheses(sequences, scores, lengths, selected(found.attention))


def cut_to_longest(found: Hypotheses) -> Hypotheses:
    """Hypotheses as wide as the longest of them, at least one token.

    The last step of a search: XLA goes no further with a size that it does not know.
    """
    longest = ops.maximum(ops.max(found.lengths), 1)
    return found._replace(
        sequences=found.sequences[:, :, :longest], attention=found.attention[:, :, :longest]
    )
