"""Sampling: tokens from the model's own distribution, inside the graph."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from keras_attention._core.checks import check_positive, check_positive_number
from keras_attention._core.types import Seed, Structure, Tensor
from keras_attention.generation.constraints import Constraint, checked_constraints
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.settings import SearchSettings
from keras_attention.generation.single import SingleSearch


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class Sample(SearchSettings):
    """Samples each token from the model's distribution.

        p = softmax(logits / temperature)       over the k most probable tokens

    and of these the fewest that together have a probability of `top_p` or
    more. Everything else is as in `Greedy`. One number per example and step is
    random, sampled before the first step, so that the loop itself has no random
    operation.

    Sources: top-k: Fan, Lewis and Dauphin, "Hierarchical Neural Story
    Generation", 2018; top-p, or nucleus sampling: Holtzman et al., "The
    Curious Case of Neural Text Degeneration", 2020.

    Args:
        max_length: the largest number of tokens, the end included.
        temperature: above 0; the lower, the closer to greedy decoding.
        top_k: only the k most probable tokens, or None for all.
        top_p: only the most probable tokens, up to this total probability;
            above 0 and at most 1, or None for all.
        seed: an integer for the same samples each time, also in a graph (XLA
            has other random numbers); a `keras.random.SeedGenerator` for
            others at every call; by default the global one of Keras.
        constraints: `Constraint` objects, applied in order.

    Call arguments:
        decoder, inputs, prefix: as for `Greedy`. For several samples of one
            source, repeat it in the batch.

    Returns:
        `Hypotheses`, one per example. The scores are the model's own
        log-probabilities, whatever the temperature.

    Raises:
        ValueError: for numbers out of range, and as `Greedy`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import Sample
    >>> from keras_attention.models import EncoderDecoder
    >>> model, source = EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7]])
    >>> search = Sample(max_length=5, top_k=10, seed=1)
    >>> first, again = (search(model, source).sequences for _ in range(2))
    >>> bool((first == again).numpy().all())
    True
    """

    max_length: int = 64
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: Seed = None
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        check_positive("max_length", self.max_length)
        check_positive_number("temperature", self.temperature)
        if self.top_k is not None:
            check_positive("top_k", self.top_k)
        if self.top_p is not None and not (
            isinstance(self.top_p, (int, float)) and 0 < self.top_p <= 1
        ):
            raise ValueError(
                f"top_p: expected a number above 0 and up to 1, received {self.top_p!r}."
            )
        object.__setattr__(self, "constraints", checked_constraints(self.constraints))

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        noise: list[Tensor] = []

        def choose(t: Tensor, values: Tensor) -> Tensor:
            if not noise:
                shape = (self.max_length, ops.shape(values)[0])
                noise.append(keras.random.uniform(shape, dtype="float32", seed=self.seed))
            now = ops.expand_dims(ops.arange(self.max_length), 1) == t
            uniform = ops.sum(ops.where(now, noise[0], 0.0), axis=0)
            return _sampled_token(values / self.temperature, uniform, self.top_k, self.top_p)

        search = SingleSearch(decoder, inputs, choose, self.max_length, prefix, self.constraints)
        return search.run()


def _sampled_token(
    values: Tensor, uniform: Tensor, top_k: int | None, top_p: float | None
) -> Tensor:
    """Ids `(B,)`: the first whose cumulative probability is above the uniform number."""
    ids, size = None, values.shape[-1]
    if top_k is not None or top_p is not None:
        size = size if top_k is None else min(top_k, size)
        values, ids = ops.top_k(values, size)
        if size == 1:
            return ops.cast(ids[:, 0], "int32")
    p = ops.softmax(values)
    if top_p is not None:
        p = ops.where(ops.cumsum(p, axis=-1) - p < top_p, p, 0.0)
    up_to = ops.cumsum(p, axis=-1)
    # Below the whole sum, whatever the rounding.
    threshold = ops.expand_dims(ops.minimum(uniform, 1 - 1e-6), 1) * up_to[:, -1:]
    position = ops.sum(ops.cast(up_to <= threshold, "int32"), axis=-1, keepdims=True)
    position = ops.minimum(position, size - 1)
    if ids is None:
        return position[:, 0]
    chosen = ops.equal(ops.arange(size), position)
    return ops.sum(ops.where(chosen, ops.cast(ids, "int32"), 0), axis=-1)
