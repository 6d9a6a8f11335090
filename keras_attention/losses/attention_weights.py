"""Losses over attention weights, independent of the task.

All of them take weights `(B, T, S)`, or over a feature map `(B, T, H, W)`, and masks, lengths or
None that mark the real steps and positions. Padding has no effect on either axis, even if it is
NaN. Each example has a loss of its own; the result is the mean over the examples with a real step
and a real position, and 0 without any.
"""

from __future__ import annotations

from typing import Literal

from keras import ops

from keras_attention._core.checks import check_choice, check_positive_number, check_shape
from keras_attention._core.types import Tensor
from keras_attention.losses.masking import (
    flatten_from,
    masked_weights,
    mean_over_examples,
    mean_over_steps,
    safe_log,
)


def coverage_loss(
    weights: Tensor,
    target_mask: Tensor | None = None,
    source_mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Coverage loss: `mean_t sum_j min(a_tj, sum_{t'<t} a_t'j)` per example.

    It penalizes attending to the same positions repeatedly. The mean is over
    the steps of an example, as in the paper.

    Source: See, Liu and Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks", 2017.

    Args:
        weights: `(B, T, S)` or `(B, T, H, W)`.
        target_mask: `(B, T)`, True for real steps; or lengths `(B,)`; or None.
        source_mask: `(B, S)` or `(B, H, W)`, True for real positions; or
            lengths `(B,)`; or None.
        sample_weight: `(B,)`, one weight per example, or None.

    Returns:
        A scalar in at least float32, the mean over the examples.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import coverage_loss
    >>> float(coverage_loss(np.array([[[1.0, 0.0], [0.5, 0.5]]])))
    0.25
    """
    weights, steps, positions = masked_weights(weights, target_mask, source_mask)
    before = ops.cumsum(weights[:, :-1], axis=1)
    repeated = ops.sum(ops.minimum(weights[:, 1:], before), axis=2)
    # The first step repeats nothing.
    losses = ops.sum(repeated, axis=1) / ops.maximum(ops.sum(steps, axis=1), 1.0)
    return mean_over_examples(losses, steps, positions, sample_weight)


def guided_attention_loss(
    weights: Tensor,
    target_mask: Tensor | None = None,
    source_mask: Tensor | None = None,
    sigma: float = 0.2,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Guided attention: `mean_{t,j} a_tj * (1 - exp(-(j/N - t/T)^2 / (2 sigma^2)))` per example.

    It pulls the weights towards the diagonal, which suits monotonic tasks such
    as speech. N and T are the example's own numbers of real positions and steps,
    j and t count the real ones from 0, and the mean is over the N * T real
    pairs, so that padding does not change the loss.

    Source: Tachibana, Uenoyama and Aihara, "Efficiently Trainable
    Text-to-Speech System Based on Deep Convolutional Networks with Guided
    Attention", 2017; sigma is its g.

    Args:
        weights, target_mask, source_mask, sample_weight: see `coverage_loss`.
        sigma: width of the diagonal band in which weights cost little.

    Returns:
        A scalar in at least float32, the mean over the examples.

    Raises:
        ValueError: for shapes that do not fit and a sigma that is not positive.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import guided_attention_loss
    >>> diagonal, reversed_ = np.eye(4)[None], np.eye(4)[None, ::-1]
    >>> round(float(guided_attention_loss(diagonal)), 4)
    0.0
    >>> round(float(guided_attention_loss(reversed_)), 4)
    0.1927
    """
    check_positive_number("sigma", sigma)
    weights, steps, positions = masked_weights(weights, target_mask, source_mask)
    distance = ops.expand_dims(_fraction(positions), 1) - ops.expand_dims(_fraction(steps), 2)
    cost = 1.0 - ops.exp(-ops.square(distance) / (2 * sigma**2))
    pairs = ops.sum(steps, axis=1) * ops.sum(positions, axis=1)
    losses = ops.sum(weights * cost, axis=(1, 2)) / ops.maximum(pairs, 1.0)
    return mean_over_examples(losses, steps, positions, sample_weight)


def _fraction(real: Tensor) -> Tensor:
    """The number of real positions before each, divided by the number of real positions."""
    total = ops.maximum(ops.sum(real, axis=1, keepdims=True), 1.0)
    return (ops.cumsum(real, axis=1) - real) / total


def doubly_stochastic_loss(
    weights: Tensor,
    target_mask: Tensor | None = None,
    source_mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Doubly stochastic attention: `sum_j (1 - sum_t a_tj)^2` per example.

    It asks for a total weight of 1 on every position. The sum over t is over the
    real steps and the sum over j over the real positions. The paper's lambda is
    1; for another, multiply the loss by it.

    Source: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation
    with Visual Attention", 2015.

    Args:
        weights, target_mask, source_mask, sample_weight: see `coverage_loss`.

    Returns:
        A scalar in at least float32, the mean over the examples.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import doubly_stochastic_loss
    >>> float(doubly_stochastic_loss(np.array([[[1.0, 0.0], [0.5, 0.5]]])))
    0.5
    """
    weights, steps, positions = masked_weights(weights, target_mask, source_mask)
    missing = positions * (1.0 - ops.sum(weights, axis=1))
    losses = ops.sum(ops.square(missing), axis=1)
    return mean_over_examples(losses, steps, positions, sample_weight)


def entropy_loss(
    weights: Tensor,
    target_mask: Tensor | None = None,
    source_mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """The entropy of the weights: `mean_t -sum_j a_tj log a_tj` per example, with 0 log 0 = 0.

    Minimizing it sharpens the weights. With a negative factor it spreads them;
    the paper does so to keep hard attention from settling too early.

    Source: Xu et al., "Show, Attend and Tell", 2015.

    Args:
        weights, target_mask, source_mask, sample_weight: see `coverage_loss`.

    Returns:
        A scalar in at least float32, in nats, the mean over the examples.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import entropy_loss
    >>> round(float(entropy_loss(np.array([[[1.0, 0.0], [0.5, 0.5]]]))), 4)
    0.3466
    """
    weights, steps, positions = masked_weights(weights, target_mask, source_mask)
    # At 0 the gradient of w log w is infinite; it is defined as 0 here.
    inside = ops.where(weights > 0, weights, ops.ones((), weights.dtype))
    entropies = -ops.sum(weights * ops.log(inside), axis=2)
    return mean_over_examples(mean_over_steps(entropies, steps), steps, positions, sample_weight)


def alignment_loss(
    weights: Tensor,
    alignments: Tensor,
    target_mask: Tensor | None = None,
    source_mask: Tensor | None = None,
    kind: Literal["cross_entropy", "mse"] = "cross_entropy",
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Supervised attention: the distance between the weights and given alignments b.

        cross_entropy   mean_t -sum_j b_tj log a_tj
        mse             mean_t sum_j (a_tj - b_tj)^2 / 2

    The alignments of a step are divided by their sum first, so links of 0 and 1
    can be given. A step without any alignment is left out of the mean, which
    the papers leave open.

    Source: Mi, Wang and Ittycheriah, "Supervised Attentions for Neural Machine
    Translation", 2016 (cross-entropy); Liu et al., "Neural Machine Translation
    with Supervised Attention", 2016 (both).

    Args:
        weights, target_mask, source_mask, sample_weight: see `coverage_loss`.
        alignments: not negative, of the shape of the weights.
        kind: `"cross_entropy"` or `"mse"`.

    Returns:
        A scalar in at least float32, the mean over the examples with a
        supervised step.

    Raises:
        ValueError: for shapes that do not fit and another kind.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import alignment_loss
    >>> weights, links = np.array([[[0.5, 0.5], [0.1, 0.9]]]), np.array([[[1, 0], [0, 0]]])
    >>> round(float(alignment_loss(weights, links)), 4)
    0.6931
    """
    check_choice("kind", kind, ("cross_entropy", "mse"))
    weights, alignments = ops.convert_to_tensor(weights), ops.convert_to_tensor(alignments)
    check_shape("alignments", alignments, weights.shape, "one number per weight")
    given = weights.dtype
    weights, steps, positions = masked_weights(weights, target_mask, source_mask)
    alignments = flatten_from(ops.cast(alignments, weights.dtype), 2)
    both = ops.expand_dims(steps, 2) * ops.expand_dims(positions, 1)
    alignments = ops.where(both > 0, alignments, ops.zeros((), weights.dtype))
    total = ops.sum(alignments, axis=2)
    steps = steps * ops.cast(total > 0, steps.dtype)
    alignments = ops.divide_no_nan(alignments, ops.expand_dims(total, 2))
    if kind == "mse":
        distances = 0.5 * ops.sum(ops.square(weights - alignments), axis=2)
    else:
        distances = -ops.sum(alignments * safe_log(weights, given), axis=2)
    return mean_over_examples(mean_over_steps(distances, steps), steps, positions, sample_weight)


def redundancy_loss(
    weights: Tensor,
    target_mask: Tensor | None = None,
    source_mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Redundancy of several hops: `||A A^T - I||_F^2` per example.

    A is the matrix of an example's weights, one row per hop. The loss is 0 if
    each hop attends to a single position, and no two hops to the same.

    Source: Lin et al., "A Structured Self-attentive Sentence Embedding", 2017.

    Args:
        weights: `(B, hops, S)` or `(B, hops, H, W)`.
        target_mask: mask of the hops; by default all are real.
        source_mask, sample_weight: see `coverage_loss`.

    Returns:
        A scalar in at least float32, the mean over the examples.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import redundancy_loss
    >>> float(redundancy_loss(np.array([[[1.0, 0.0], [1.0, 0.0]]])))
    2.0
    """
    weights, steps, positions = masked_weights(weights, target_mask, source_mask)
    products = ops.matmul(weights, ops.transpose(weights, (0, 2, 1)))
    identity = ops.eye(ops.shape(weights)[1], dtype=weights.dtype)
    identity = ops.expand_dims(identity, 0) * ops.expand_dims(steps, 2)
    losses = ops.sum(ops.square(products - identity), axis=(1, 2))
    return mean_over_examples(losses, steps, positions, sample_weight)
