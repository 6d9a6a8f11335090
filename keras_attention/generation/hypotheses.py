"""What a search returns."""

from typing import Any, NamedTuple


class Hypotheses(NamedTuple):
    """The best hypotheses of each row, the best first; N of them.

    Where a row has fewer than N (a tiny vocabulary, a prefix that ends), the
    rest has a score of -1e30, length 0 and no ids.

    Attributes:
        sequences: ids `(B, N, T)` int32, with the end where it was reached,
            then 0; as wide as the longest hypothesis.
        scores: `(B, N)` float32, after all penalties; by them they are ordered.
        lengths: `(B, N)` int32, the ids up to and with the end.
        attention: `(B, N, T, S)`, zero after the end.

    Example:

    >>> from keras_attention.generation import Hypotheses
    >>> Hypotheses._fields
    ('sequences', 'scores', 'lengths', 'attention')
    """

    sequences: Any
    scores: Any
    lengths: Any
    attention: Any
