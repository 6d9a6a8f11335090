"""The largest of very many numbers."""

import math

from keras import ops

from keras_attention.backend import gather_within_rows
from keras_attention.generation.stepping import NEVER

# Fewer than so many are sorted out directly.
MANY = 2048


def largest(x, count):
    """`ops.top_k(x, count)` of `(B, M)`, by a quarter of the work where M is large.

    The largest numbers lie in the blocks with the largest maxima: at most
    `count` blocks, of which the maxima are found in one vectorised pass. Of
    equal numbers others may be taken than `top_k` takes. Where there are fewer
    than `count`, the rest is `NEVER`, at any index.

    Args:
        x: `(B, M)`, M known.
        count: how many.

    Returns:
        The largest of each row `(B, count)`, in descending order, and their
        indices, int32.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation.largest import largest
    >>> values, where = largest(np.array([[1.0, 7.0, 5.0]], "float32"), 2)
    >>> values.numpy().tolist(), where.numpy().tolist()
    ([[7.0, 5.0]], [[1, 2]])
    """
    size = x.shape[-1]
    if size < count:
        x = ops.pad(x, ((0, 0), (0, count - size)), constant_values=NEVER)
        best, at = ops.top_k(x, count)
        return best, ops.minimum(ops.cast(at, "int32"), size - 1)
    block = _block(size, count)
    if size < MANY or block * count > size // 2:
        best, at = ops.top_k(x, count)
        return best, ops.cast(at, "int32")
    if size % block:
        missing = block - size % block
        x = ops.pad(x, ((0, 0), (0, missing)), constant_values=NEVER)
        size += missing
    blocks = ops.reshape(x, (-1, size // block, block))
    _, which = ops.top_k(ops.max(blocks, axis=-1), count)
    few = ops.reshape(gather_within_rows(blocks, which), (-1, count * block))
    best, at = ops.top_k(few, count)
    return best, gather_within_rows(which, at // block) * block + at % block


def _block(size, count):
    """As many blocks as numbers in those that are chosen; a divisor of the size, if one is near."""
    ideal = max(8, round(math.sqrt(size / count)))
    divisors = [n for n in range(ideal // 2, 2 * ideal) if n and size % n == 0]
    return min(divisors, key=lambda n: abs(n - ideal), default=ideal)
