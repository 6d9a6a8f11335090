"""The best extensions of all beams, over the whole vocabulary: the core of a step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from keras import ops

from keras_attention._core.backend.gathers import gather_within_rows
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Tensor
from keras_attention.generation.constraints import is_one_of

# Of at most this many numbers per example the largest are found directly.
FEW = 2048
_SMALLEST_BLOCK = 4


def best_extensions(
    logits: Tensor,
    logp: Tensor,
    count: int,
    normalized: bool = False,
    left_out: Sequence[int] = (0, 1, 2),
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best extensions of all beams of an example, without padding, start and end.

    A vocabulary is large, and sorting all of it is slow. So it is searched in
    blocks. The best tokens lie in the blocks with the largest maxima, which one
    vectorised pass finds. The log-probability of a beam is added only to the
    tokens of these blocks. The normalizer of the softmax follows from its
    largest value: `log sum exp x = max x - log max softmax x`.

    Args:
        logits: `(B * K, V)`, V known.
        logp: the log-probabilities `(B, K)` of the beams, K known.
        count: the number of extensions.
        normalized: whether the logits are log-probabilities already.
        left_out: the ids of padding, start and end.

    Returns:
        The log-probabilities `(B, count)` of the best in descending order; the
        beams that they extend and their tokens, both int32; and the offsets
        `(B, K)` from a beam's logits to the log-probabilities of its
        extensions. Where there are fewer than `count`, the rest is `IMPOSSIBLE`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation.extensions import best_extensions
    >>> logits = np.log([[0.1, 0.1, 0.1, 0.3, 0.4], [0.1, 0.1, 0.1, 0.6, 0.1]]).astype("float32")
    >>> found = best_extensions(logits, np.log([[0.5, 0.5]]).astype("float32"), 2)
    >>> [[round(float(p), 2) for p in np.exp(row)] for row in found[0]]
    [[0.3, 0.2]]
    >>> found[1].numpy().tolist(), found[2].numpy().tolist()
    ([[1, 0]], [[3, 4]])
    """
    beams, size = logp.shape[1], logits.shape[-1]
    # The best blocks of a beam may hold only tokens that are left out: its first block, or
    # one for each of them.
    wanted = count + beams * (1 if max(left_out) < _SMALLEST_BLOCK else len(left_out))
    block = _block(size, beams, wanted)
    if beams * size < FEW or wanted * block > beams * size // 2:
        block = size
    if size % block:
        missing = block - size % block
        logits = ops.pad(logits, ((0, 0), (0, missing)), constant_values=IMPOSSIBLE)
        size += missing
    each = size // block
    blocks = ops.reshape(logits, (-1, beams * each, block))
    highest = ops.reshape(ops.max(blocks, axis=-1), (-1, beams, each))
    base = logp
    if not normalized:
        share = ops.reshape(ops.max(ops.softmax(logits), axis=-1), (-1, beams))
        base = logp - (ops.max(highest, axis=-1) - ops.log(share))
    highest = ops.reshape(highest + ops.expand_dims(base, 2), (-1, beams * each))
    _, which = ops.top_k(highest, min(wanted, beams * each))
    which = ops.cast(which, "int32")
    few = gather_within_rows(blocks, which)
    few = few + ops.expand_dims(gather_within_rows(base, which // each), 2)
    # A code is beam * V + token.
    codes = ops.expand_dims(which * block, 2) + constant(range(block))
    few = ops.where(is_one_of(left_out, codes % size), IMPOSSIBLE, few)
    best, at = _top(ops.reshape(few, (-1, few.shape[1] * block)), count)
    codes = gather_within_rows(ops.reshape(codes, (-1, codes.shape[1] * block)), at)
    return best, codes // size, codes % size, base


def constant(integers: Iterable[int]) -> Tensor:
    """Known integers as a tensor that a loop need not compute anew at every step."""
    return ops.convert_to_tensor(list(integers), dtype="int32")


def _top(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`top_k`; where there are fewer than `count`, the rest is `IMPOSSIBLE`."""
    missing = count - x.shape[-1]
    if missing > 0:
        x = ops.pad(x, ((0, 0), (0, missing)), constant_values=IMPOSSIBLE)
    best, at = ops.top_k(x, count)
    at = ops.cast(at, "int32")
    return best, at if missing <= 0 else ops.minimum(at, count - missing - 1)


def _block(size: int, beams: int, wanted: int) -> int:
    """The block size: a divisor of `size` if one is near the best."""
    ideal = max(2 * _SMALLEST_BLOCK, round(math.sqrt(beams * size / wanted)))
    divisors = [n for n in range(ideal // 2, 2 * ideal) if size % n == 0]
    return min(divisors, key=lambda n: abs(n - ideal), default=ideal)
