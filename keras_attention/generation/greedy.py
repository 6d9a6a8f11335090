"""Greedy decoding: the most probable token at every step."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.constraints import Constraint, checked_constraints
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.settings import SearchSettings
from keras_attention.generation.single import SingleSearch


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class Greedy(SearchSettings):
    """Greedy decoding: the most probable token at every step.

    Runs eagerly and inside a graph, with dynamic batch and lengths, stops when
    every sequence has ended, and converts to ONNX. Padding and start are never
    chosen. A sequence that has not ended after `max_length` tokens is cut
    there.

    Args:
        max_length: the largest number of tokens, the end included.
        constraints: `Constraint` objects, applied in order.

    Call arguments:
        decoder: a `Decoder`, or an object with `start` and `step`, see
            `keras_attention.generation.as_decoder`.
        inputs: what `decoder.start` takes.
        prefix: ids `(B, P)` that each sequence begins with, without the start,
            padded, or None.

    Returns:
        `Hypotheses`, one per example.

    Raises:
        ValueError: where `max_length` is not a positive integer, the prefix is
            not a matrix of ids or has ids that cannot be written, or
            `constraints` holds anything else.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import Greedy
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> found = Greedy(max_length=4)(model, np.array([[5, 6, 7]]))
    >>> found.sequences.shape[:2] == (1, 1), found.sequences.shape[2] <= 4
    (True, True)
    """

    max_length: int = 64
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        check_positive("max_length", self.max_length)
        object.__setattr__(self, "constraints", checked_constraints(self.constraints))

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        search = SingleSearch(
            decoder, inputs, _most_probable, self.max_length, prefix, self.constraints
        )
        return search.run()


def _most_probable(_: Tensor, values: Tensor) -> Tensor:
    # top_k, because argmax of floats does not convert to ONNX.
    return ops.cast(ops.top_k(values, 1)[1][:, 0], "int32")
