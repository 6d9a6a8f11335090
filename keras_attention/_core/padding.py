"""Padding of lists of ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pad(
    sequences: Sequence[Sequence[int]], length: int | None = None, value: int = 0
) -> NDArray[np.int32]:
    """Sequences of ids as one int32 matrix, padded on the right.

    Args:
        sequences: B sequences of ids.
        length: columns of the matrix; by default as many as the longest
            sequence has, at least one.
        value: the id of padding.

    Returns:
        `(B, length)`.

    Example:

    >>> from keras_attention._core.padding import pad
    >>> pad([[4, 5], [6]]).tolist()
    [[4, 5], [6, 0]]
    """
    if length is None:
        length = max([1, *map(len, sequences)])
    padded = np.full((len(sequences), length), value, "int32")
    for example, sequence in zip(padded, sequences):
        example[: len(sequence)] = sequence
    return padded
