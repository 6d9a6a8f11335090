"""How probable a model finds given targets."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention._core.backend.loops import scan
from keras_attention._core.checks import check_ids
from keras_attention.losses import token_crossentropy
from keras_attention.text.vocabulary import PAD, START


class Scored(NamedTuple):
    """How probable given targets are, batch first.

    Attributes:
        scores: `(B,)`, the log-probability of each target, in nats.
        token_scores: `(B, T)`, that of each token, 0 on padding.
        attention: `(B, T, S)`, zero on padding.

    Example:

    >>> from keras_attention.generation.scoring import Scored
    >>> Scored._fields
    ('scores', 'token_scores', 'attention')
    """

    scores: Any
    token_scores: Any
    attention: Any


def score(model, inputs, targets):
    """The log-probability of given targets, by the very steps that decoding takes.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        inputs: what `model.start` takes.
        targets: ids `(B, T)` without the start, with the end (2), padded with 0.

    Returns:
        `Scored`.

    Raises:
        ValueError: where the targets are no matrix of ids.

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
    start = ops.full((ops.shape(targets)[0], 1), START, dtype="int32")
    given = ops.concatenate([start, targets[:, :-1]], axis=1)
    first = model.start(inputs)

    def one(state, x):
        token, label = x
        logits, state, weights = model.step(token, state)
        logp = -token_crossentropy(label, logits)
        real = ops.not_equal(label, PAD)
        weights = ops.cast(weights, "float32")
        return state, (
            ops.where(real, logp, 0.0),
            ops.where(ops.expand_dims(real, 1), weights, 0.0),
        )

    xs = (ops.transpose(given), ops.transpose(targets))
    _, (token_scores, attention) = scan(one, first, xs, ("float32", "float32"))
    token_scores = ops.transpose(token_scores)
    return Scored(ops.sum(token_scores, axis=1), token_scores, ops.transpose(attention, (1, 0, 2)))
