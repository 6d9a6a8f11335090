"""The log-probability of given targets under a model."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.loops import scan
from keras_attention._core.checks import check_ids
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.stepper import Stepper
from keras_attention.losses import token_crossentropy
from keras_attention.text.known_ids import known_ids


class Scored(NamedTuple):
    """The log-probabilities of given targets, batch first.

    Attributes:
        scores: `(B,)`, the log-probability of each target, in nats.
        token_scores: `(B, T)`, that of each token, 0 on padding.
        attention: `(B, T, S)`, zero on padding; S is 0 for a decoder without
            weights.

    Example:

    >>> from keras_attention.generation import Scored
    >>> Scored._fields
    ('scores', 'token_scores', 'attention')
    """

    scores: Tensor
    token_scores: Tensor
    attention: Tensor


def score(decoder: DecoderLike, inputs: Structure, targets: Tensor) -> Scored:
    """The log-probability of given targets, by the same steps as decoding.

    Args:
        decoder: a `Decoder`, or an object with `start` and `step`, see
            `keras_attention.generation.as_decoder`.
        inputs: what `decoder.start` takes.
        targets: ids `(B, T)` without the start, with the end, padded. Those that
            the model cannot write are unknown.

    Returns:
        `Scored`.

    Raises:
        ValueError: where the targets are not a matrix of ids, or are not as
            many as the inputs.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import score
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> found = score(model, np.array([[5, 6, 7]]), np.array([[8, 2, 0]]))
    >>> tuple(found.token_scores.shape), float(found.token_scores[0, 2])
    ((1, 3), 0.0)
    """
    targets = ops.convert_to_tensor(targets)
    check_ids("targets", targets)
    targets = ops.cast(targets, "int32")
    stepper = Stepper(decoder, inputs)
    _check_batch(targets.shape[0], stepper.batch)
    special = stepper.special_ids
    # One step more, which a graph drops, for the number of ids.
    targets = known_ids(targets, stepper.first()[0].shape[-1], special)
    # With the batch of the inputs, so that a graph of open sizes fails where they differ.
    start = ops.full((stepper.batch, 1), special.start, dtype="int32")
    given = ops.concatenate([start, targets[:, :-1]], axis=1)

    def one(tensors: list[Tensor], x: tuple[Tensor, Tensor]) -> Any:
        token, label = x
        logits, tensors, weights = stepper.next(token, tensors)
        logp = -token_crossentropy(label, logits)
        real = ops.not_equal(label, special.pad)
        return tensors, (
            ops.where(real, logp, 0.0),
            ops.where(ops.expand_dims(real, 1), weights, 0.0),
        )

    xs = (ops.transpose(given), ops.transpose(targets))
    _, (token_scores, attention) = scan(one, stepper.growing(), xs, ("float32", "float32"))
    token_scores = ops.transpose(token_scores)
    return Scored(ops.sum(token_scores, axis=1), token_scores, ops.transpose(attention, (1, 0, 2)))


def _check_batch(received: Any, expected: Any) -> None:
    if isinstance(received, int) and isinstance(expected, int) and received != expected:
        raise ValueError(
            f"targets: expected {expected}, as many as there are inputs, received {received}."
        )
