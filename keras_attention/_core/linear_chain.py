"""Linear chains: the scores of all sequences of tags, summed and maximised.

Everything is computed from the log-potentials `(B, T, N, N)`, where `[b, t, i, j]` is the score of
tag j at position t after tag i at the position before. A masked position has the potentials of
an identity: it keeps the tag of the position before, at no cost, so that the chain passes over it.
Before the first real position the chain is in tag 0, by convention.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from keras_attention._core.backend import scan
from keras_attention._core.checks import check_rank, check_shape, score_dtype
from keras_attention._core.log_sum_exp import log_sum_exp
from keras_attention._core.masks import (
    IMPOSSIBLE,
    masked_softmax,
    one_hot_of_highest,
    zero_where_masked,
)
from keras_attention._core.types import Shape, Tensor


def crf_potentials(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The log-potentials of a linear-chain conditional random field.

        potentials[b, t, i, j] = transitions[i, j] + emissions[b, t, j]

    At the first real position `start[j]` takes the place of `transitions[i, j]`,
    and at the last `end[j]` is added. The score of a sequence of tags is the
    sum of its potentials. The mask is contained in them: the chain passes over
    masked positions, at the left, at the right or in between, as if they had
    been cut out.

    Source: Lafferty, McCallum and Pereira, "Conditional Random Fields", 2001.

    Args:
        emissions: `(B, T, N)`, the score of each tag at each position, such as the
            outputs of a `Dense` layer without activation. Scores below -1e30 are
            raised to it, so -inf may be used to exclude tags.
        transitions: `(N, N)`, the score of each tag (second axis) after each
            (first axis).
        start: `(N,)`, the score of each tag at the first real position, or None.
        end: `(N,)`, the score of each tag at the last real position, or None.
        mask: `(B, T)`, True for real positions, or None if all are real.

    Returns:
        `(B, T, N, N)`, in at least float32.

    Raises:
        ValueError: for shapes that do not fit, and empty ones.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import crf_potentials
    >>> potentials = crf_potentials(np.array([[[1.0, 2.0]]]), np.zeros((2, 2)), start=[3.0, 0.0])
    >>> np.asarray(potentials)[0, 0].tolist()
    [[4.0, 2.0], [4.0, 2.0]]
    """
    emissions = ops.convert_to_tensor(emissions)
    check_rank("emissions", emissions, (3,), "scores of shape (batch, length, tags)")
    dtype = score_dtype(keras.backend.standardize_dtype(emissions.dtype))
    emissions = ops.cast(emissions, dtype)
    tags = emissions.shape[-1]
    transitions = ops.cast(ops.convert_to_tensor(transitions), dtype)
    check_shape("transitions", transitions, (tags, tags), "a score for each pair of tags")
    if mask is None:
        mask = ops.ones(ops.shape(emissions)[:2], dtype="bool")
    else:
        mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        check_shape("mask", mask, emissions.shape[:2], "one boolean per position of emissions")
    first, last = _ends(mask)
    arriving = ops.expand_dims(transitions, (0, 1))
    beginning = _boundary("start", start, tags, dtype)
    scores = ops.where(ops.expand_dims(first, (2, 3)), beginning, arriving)
    scores = scores + ops.expand_dims(zero_where_masked(mask, emissions), 2)
    ending = _boundary("end", end, tags, dtype)
    scores = scores + ops.where(ops.expand_dims(last, (2, 3)), ending, ops.zeros_like(ending))
    scores = ops.maximum(scores, IMPOSSIBLE)
    return ops.where(ops.expand_dims(mask, (2, 3)), scores, _passing(tags, dtype))


def crf_log_norm(potentials: Tensor) -> Tensor:
    """The logarithm of the sum of `exp(score)` over all sequences of tags, log Z.

    It is computed by the forward algorithm.

    Args:
        potentials: `(B, T, N, N)`, as `crf_potentials` and the layer `CRF` return
            them.

    Returns:
        `(B,)`; 0 for an example without real positions.

    Raises:
        ValueError: for another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import crf_log_norm, crf_potentials
    >>> uniform = crf_potentials(np.zeros((1, 3, 2)), np.zeros((2, 2)))
    >>> float(np.exp(crf_log_norm(uniform))[0].round(4))
    8.0
    """
    potentials = _checked(potentials)
    forward, _ = _forward(potentials, log_sum_exp)
    return log_sum_exp(forward, axis=-1)


def crf_log_likelihood(potentials: Tensor, tags: Tensor) -> Tensor:
    """The logarithm of the probability of a sequence of tags, `score(tags) - log Z`.

    Args:
        potentials: `(B, T, N, N)`, as `crf_potentials` and the layer `CRF` return
            them.
        tags: ids `(B, T)`; or booleans `(B, T, N)`, True for the tags that a
            position may have, whose sequences' probabilities are summed. A
            negative id allows every tag. Masked positions have no effect.

    Returns:
        `(B,)`; 0 for an example without real positions. An id of N or more has a
        probability of nearly 0, a logarithm of -1e30.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import crf_log_likelihood, crf_potentials
    >>> uniform = crf_potentials(np.zeros((1, 3, 2)), np.zeros((2, 2)))
    >>> float(np.exp(crf_log_likelihood(uniform, [[0, 1, 1]]))[0].round(4))
    0.125
    """
    potentials = _checked(potentials)
    allowed = _allowed(tags, potentials.shape)
    free = ops.logical_not(_real(potentials))
    allowed = ops.logical_or(allowed, ops.expand_dims(free, -1))
    impossible = ops.full_like(potentials, IMPOSSIBLE)
    given = ops.where(ops.expand_dims(allowed, 2), potentials, impossible)
    # One loop for both sums.
    both = crf_log_norm(ops.concatenate([given, potentials], axis=0))
    examples = ops.shape(potentials)[0]
    return both[:examples] - both[examples:]


def crf_marginals(potentials: Tensor) -> Tensor:
    """The probability of each tag at each position, over all sequences of tags.

    It is computed by the forward-backward algorithm.

    Args:
        potentials: `(B, T, N, N)`, as `crf_potentials` and the layer `CRF` return
            them.

    Returns:
        `(B, T, N)`, sums of 1 over the tags; 0 at masked positions.

    Raises:
        ValueError: for another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import crf_marginals, crf_potentials
    >>> emissions = np.log([[[0.25, 0.75], [0.5, 0.5]]])
    >>> np.asarray(crf_marginals(crf_potentials(emissions, np.zeros((2, 2))))).round(2).tolist()
    [[[0.25, 0.75], [0.5, 0.5]]]
    """
    potentials = _checked(potentials)
    dtype = keras.backend.standardize_dtype(potentials.dtype)
    _, forward = _forward(potentials, log_sum_exp)

    def step(after: Tensor, scores: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        return log_sum_exp(scores + ops.expand_dims(after, 1), axis=2), (after,)

    times = _time_first(potentials)
    _, (backward,) = scan(step, ops.zeros_like(forward[0]), ops.flip(times, axis=0), (dtype,))
    scores = ops.swapaxes(forward + ops.flip(backward, axis=0), 0, 1)
    return zero_where_masked(_real(potentials), masked_softmax(scores, None))


def crf_decode(potentials: Tensor) -> tuple[Tensor, Tensor]:
    """The sequence of tags with the highest score, found by the Viterbi algorithm.

    Source: Viterbi, "Error Bounds for Convolutional Codes and an Asymptotically
    Optimum Decoding Algorithm", 1967.

    Args:
        potentials: `(B, T, N, N)`, as `crf_potentials` and the layer `CRF` return
            them.

    Returns:
        Ids `(B, T)`, int32, -1 at masked positions; and the score of the whole
        sequence `(B,)`. Of equal scores the lowest id wins, from the last
        position on.

    Raises:
        ValueError: for another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import crf_decode, crf_potentials
    >>> emissions, alternate = np.array([[[1.0, 0.0], [0.6, 0.5]]]), np.array([[-1, 0], [0, -1]])
    >>> tags, score = crf_decode(crf_potentials(emissions, alternate))
    >>> np.asarray(tags).tolist(), np.asarray(score).tolist()
    ([[0, 1]], [1.5])
    """
    potentials = _checked(potentials)
    best, forward = _forward(potentials, ops.max)
    times, dtype = _time_first(potentials), keras.backend.standardize_dtype(potentials.dtype)
    before = ops.concatenate([ops.expand_dims(_first_state(potentials), 0), forward[:-1]], axis=0)

    def step(tag: Tensor, x: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor]]:
        scores, reached = x
        chosen = ops.where(ops.expand_dims(tag > 0, 1), scores, ops.zeros_like(scores))
        return one_hot_of_highest(reached + ops.sum(chosen, axis=2), None), (tag,)

    last = one_hot_of_highest(best, None)
    _, (path,) = scan(step, last, (ops.flip(times, axis=0), ops.flip(before, axis=0)), (dtype,))
    path = ops.swapaxes(ops.flip(path, axis=0), 0, 1)
    ids = ops.cast(ops.sum(path * ops.arange(path.shape[-1], dtype=dtype), axis=-1), "int32")
    ids = ops.where(_real(potentials), ids, ops.full_like(ids, -1))
    return ids, ops.max(best, axis=-1)


def _forward(potentials: Tensor, joined: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """The joined scores of all ways to each tag, at the end `(B, N)` and everywhere `(T, B, N)`."""

    def step(before: Tensor, scores: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        after = joined(ops.expand_dims(before, 2) + scores, axis=1)
        return after, (after,)

    dtype = keras.backend.standardize_dtype(potentials.dtype)
    last, (everywhere,) = scan(step, _first_state(potentials), _time_first(potentials), (dtype,))
    return last, everywhere


def _first_state(potentials: Tensor) -> Tensor:
    """The state before the first position `(B, N)`: tag 0, by convention."""
    tags = potentials.shape[-1]
    state = ops.where(ops.arange(tags) == 0, 0.0, IMPOSSIBLE)
    state = ops.cast(ops.expand_dims(state, 0), potentials.dtype)
    return ops.broadcast_to(state, (ops.shape(potentials)[0], tags))


def _ends(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where the first and the last real position of each example are, two masks `(B, T)`."""
    count = ops.cumsum(ops.cast(mask, "int32"), axis=1)
    first, last = count == 1, count == ops.max(count, axis=1, keepdims=True)
    return ops.logical_and(mask, first), ops.logical_and(mask, last)


def _boundary(name: str, scores: Tensor | None, tags: int, dtype: str) -> Tensor:
    """Scores of tags at an end of the chain, `(1, 1, 1, N)`; zeros for None."""
    if scores is None:
        return ops.zeros((1, 1, 1, tags), dtype=dtype)
    scores = ops.cast(ops.convert_to_tensor(scores), dtype)
    check_shape(name, scores, (tags,), "one score per tag")
    return ops.reshape(scores, (1, 1, 1, tags))


def _passing(tags: int, dtype: str) -> Tensor:
    """The potentials of a masked position, `(1, 1, N, N)`."""
    stays = ops.eye(tags, dtype="bool")
    passing = ops.where(stays, ops.zeros((), dtype=dtype), ops.cast(IMPOSSIBLE, dtype))
    return ops.expand_dims(passing, (0, 1))


def _real(potentials: Tensor) -> Tensor:
    """The mask `(B, T)` that the potentials contain."""
    dtype = keras.backend.standardize_dtype(potentials.dtype)
    differs = ops.not_equal(potentials, _passing(potentials.shape[-1], dtype))
    return ops.any(ops.any(differs, axis=-1), axis=-1)


def _allowed(tags: Tensor, shape: Shape) -> Tensor:
    """The tags that each position may have, booleans `(B, T, N)`."""
    tags = ops.convert_to_tensor(tags)
    if keras.backend.standardize_dtype(tags.dtype) == "bool":
        check_shape("tags", tags, shape[:3], "one boolean per position and tag")
        return tags
    check_shape("tags", tags, shape[:2], "one id per position of potentials")
    tags = ops.expand_dims(ops.cast(tags, "int32"), -1)
    return ops.logical_or(tags == ops.arange(shape[-1], dtype="int32"), tags < 0)


def check_potentials(potentials: Tensor) -> None:
    """Refuses anything but log-potentials `(B, T, N, N)`."""
    meaning = "log-potentials of shape (batch, length, tags, tags)"
    check_rank("potentials", potentials, (4,), meaning)
    square = (*potentials.shape[:3], potentials.shape[2])
    check_shape("potentials", potentials, square, "square potentials")


def _checked(potentials: Tensor) -> Tensor:
    potentials = ops.convert_to_tensor(potentials)
    check_potentials(potentials)
    return potentials


def _time_first(potentials: Tensor) -> Tensor:
    return ops.swapaxes(potentials, 0, 1)
