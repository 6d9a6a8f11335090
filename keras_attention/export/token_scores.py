"""The log-probability of each token of sequences that a search found."""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.backend.loops import scan
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.stepper import Stepper
from keras_attention.losses import token_crossentropy


def token_scores(decoder: DecoderLike, inputs: Structure, sequences: Tensor) -> Tensor:
    """The log-probability of each token, by the same steps as decoding.

    Beams share the memory of their example, as in a search.

    Args:
        decoder: a `Decoder`, or an object with `start` and `step`.
        inputs: what `decoder.start` takes.
        sequences: ids `(B, N, T)`, the N hypotheses of each example.

    Returns:
        `(B, N, T)`, in nats, 0 on padding. Without penalties and constraints
        the sum over T is the score of the search.

    Example:

    >>> import numpy as np
    >>> from keras_attention.export.token_scores import token_scores
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> found = token_scores(model, np.array([[5, 6, 7]]), np.array([[[8, 2, 0], [9, 8, 2]]]))
    >>> tuple(found.shape), float(found[0, 0, 2])
    ((1, 2, 3), 0.0)
    """
    stepper = Stepper(decoder, inputs)
    special = stepper.decoder.special_ids
    sequences = ops.convert_to_tensor(sequences)
    beams = sequences.shape[1]
    assert beams is not None
    stepper.spread(beams)
    length = ops.shape(sequences)[2]
    labels = ops.reshape(sequences, (-1, length))
    count = ops.shape(labels)[0]
    rows = ops.arange(count) // beams
    start = ops.full((count, 1), special.start, dtype="int32")
    given = ops.concatenate([start, labels[:, :-1]], axis=1)
    tensors = [tf.identity(gather_rows(tensor, rows)) for tensor in stepper.tensors]

    def one(tensors: list[Tensor], x: tuple[Tensor, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        token, label = x
        logits, tensors, _ = stepper.next(token, tensors)
        logp = -token_crossentropy(label, logits)
        return tensors, [ops.where(ops.not_equal(label, special.pad), logp, 0.0)]

    _, (scores,) = scan(one, tensors, (ops.transpose(given), ops.transpose(labels)), ("float32",))
    return ops.reshape(ops.transpose(scores), (-1, beams, length))
