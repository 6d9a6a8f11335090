"""Greedy decoding: the most probable token, step after step, inside the graph."""

from keras import ops

from keras_attention.generation.rows import Decoded, decode_rows

__all__ = ["Decoded", "greedy"]


def greedy(model, inputs, max_length=64, prefix=None, constraints=()):
    """Decodes the most probable token at every step, for a whole batch.

    Runs eagerly and inside a graph, with dynamic batch and lengths, stops when
    every row has ended, and converts to ONNX. Padding and start are never
    chosen. A row that has not ended after `max_length` tokens is cut there.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        inputs: what `model.start` takes.
        max_length: how many tokens at most, the end included.
        prefix: ids `(B, P)` that each sequence begins with, without the start,
            padded with 0, or None.
        constraints: `Constraint` objects, see `keras_attention.generation`.

    Returns:
        `Decoded`, as wide as the longest row.

    Raises:
        ValueError: where `max_length` is not a positive integer, the prefix no
            matrix of ids, or something in `constraints` is none.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import greedy
    >>> from keras_attention.models import EncoderDecoder
    >>> found = greedy(EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7]]), max_length=4)
    >>> found.sequences.shape[0], found.sequences.shape[1] <= 4
    (1, True)
    """
    return decode_rows(model, inputs, _highest, max_length, prefix, constraints)


def _highest(_, values):
    # top_k, because argmax of floats does not convert to ONNX.
    return ops.cast(ops.top_k(values, 1)[1][:, 0], "int32")
