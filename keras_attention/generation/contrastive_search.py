"""Contrastive search: probable tokens whose representation is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import keras
from keras import ops

from keras_attention._core.backend.gathers import gather_rows, gather_within_rows
from keras_attention._core.backend.loops import scan_while
from keras_attention._core.checks import check_number, check_positive
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.constraints import Constraint, checked_constraints
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.settings import SearchSettings
from keras_attention.generation.single import Sequences, SingleSearch
from keras_attention.generation.stepper import POSSIBLE, check_prefix


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class ContrastiveSearch(SearchSettings):
    """Of the k most probable tokens the one that is both probable and unlike what was written.

        value(v) = (1 - alpha) * p(v | y_<t, x) - alpha * max_j<t cos(h_v, h_j)

    h_v is the decoder's representation after it has read the token v, h_j that
    after its j-th token, the start token the first. So text does not repeat
    itself, and stays probable. A step runs the decoder for k continuations.

    The representation is what a decoder gives as `hidden(state)`, a method with
    the state after a step that returns vectors `(B, D)`; or the part `"hidden"`
    of its state, if that is a dictionary. `EncoderDecoder` and `Captioner` give
    the output of their last cell.

    Source: Su et al., "A Contrastive Framework for Neural Text Generation",
    2022, with k from 5 to 8 and alpha about 0.6.

    Args:
        max_length: the largest number of tokens, the end included.
        top_k: k; with 1 this is greedy decoding.
        alpha: from 0 (greedy decoding) to 1.
        constraints: `Constraint` objects, applied in order.

    Call arguments:
        decoder, inputs, prefix: as for `Greedy`.

    Returns:
        `Hypotheses`, one per example. The scores are log-probabilities.

    Raises:
        ValueError: for numbers out of range, a decoder that gives no
            representation, and as `Greedy`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import ContrastiveSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> search = ContrastiveSearch(max_length=4, top_k=3, alpha=0.6)
    >>> found = search(EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7]]))
    >>> found.sequences.shape[:2] == (1, 1), found.sequences.shape[2] <= 4
    (True, True)
    """

    max_length: int = 64
    top_k: int = 5
    alpha: float = 0.6
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        check_positive("max_length", self.max_length)
        check_positive("top_k", self.top_k)
        check_number("alpha", self.alpha, at_least=0)
        if self.alpha > 1:
            raise ValueError(f"alpha: expected a number from 0 to 1, received {self.alpha!r}.")
        object.__setattr__(self, "constraints", checked_constraints(self.constraints))

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        return ContrastiveLoop(decoder, inputs, prefix, self).run()


@runtime_checkable
class GivesHidden(Protocol):
    """A decoder that says what its state represents, for `ContrastiveSearch`."""

    def hidden(self, state: Structure) -> Tensor:
        """Vectors `(B, D)` of the state after a step: of the token that it read."""
        ...


class _Carried(NamedTuple):
    """What the loop carries, for B examples.

    Attributes:
        found: the sequences so far.
        logits: `(B, V)` of the next token.
        weights: `(B, S)`, the attention with them.
        vectors: `(B, T + 1, D)` of the start and the tokens, of length 1; 0
            where there is no token yet.
    """

    found: Sequences
    logits: Tensor
    weights: Tensor
    vectors: Tensor


class ContrastiveLoop(SingleSearch):
    """One call of a `ContrastiveSearch`."""

    def __init__(
        self,
        decoder: DecoderLike,
        inputs: Structure,
        prefix: Tensor | None,
        search: ContrastiveSearch,
    ) -> None:
        super().__init__(
            decoder, inputs, _chosen_later, search.max_length, prefix, search.constraints
        )
        self.given, self.top_k, self.alpha = decoder, search.top_k, search.alpha
        self.vector_positions = ops.reshape(ops.arange(self.length + 1), (1, -1, 1))

    def run(self) -> Hypotheses:
        logits, tensors, weights = self.stepper.first()
        check_prefix(self.given_prefix, logits.shape[-1], self.special_ids)
        self.top_k = min(self.top_k, logits.shape[-1])
        vector = ops.expand_dims(self._vectors(tensors), 1)
        vectors = ops.where(ops.equal(self.vector_positions, 0), vector, 0.0)
        self.stepper.spread(self.top_k)
        carried = _Carried(self.nothing(tensors), logits, weights, vectors)
        steps, carried, attention = scan_while(
            lambda _, carried: ops.logical_not(ops.all(carried.found.ended)),
            self._one,
            carried,
            self.length,
            ops.shape(weights),
        )
        return self._collect(carried.found, steps, ops.transpose(attention, (1, 0, 2)))

    def _one(self, length: Tensor, carried: _Carried) -> tuple[_Carried, Tensor]:
        found, logits, weights, vectors = carried
        values, normalizer = self._values(length, found, logits)
        logp = values if normalizer is None else values - ops.expand_dims(normalizer, 1)
        logp, tokens = ops.top_k(logp, self.top_k)
        tokens = ops.cast(tokens, "int32")

        rows = ops.repeat(ops.arange(self.stepper.batch), self.top_k)
        state = [gather_rows(tensor, rows) for tensor in found.state]
        next_logits, state, next_weights = self.stepper.next(ops.reshape(tokens, (-1,)), state)
        new = self._vectors(state)
        new = ops.reshape(new, (-1, self.top_k, new.shape[-1]))
        similar = ops.matmul(new, ops.transpose(vectors, (0, 2, 1)))
        there = ops.reshape(self.vector_positions <= length, (1, 1, -1))
        similar = ops.max(ops.where(there, similar, IMPOSSIBLE), axis=-1)
        value = (1 - self.alpha) * ops.exp(logp) - self.alpha * similar
        value = ops.where(logp > POSSIBLE, value, IMPOSSIBLE)
        best = ops.cast(ops.top_k(value, 1)[1], "int32")

        chosen = ops.reshape(ops.arange(self.stepper.batch), (-1, 1)) * self.top_k + best
        chosen = ops.reshape(chosen, (-1,))
        token, its_logp = (gather_within_rows(x, best)[:, 0] for x in (tokens, logp))
        found, weights = self._append(length, found, token, its_logp, weights)
        found = found._replace(state=[gather_rows(tensor, chosen) for tensor in state])
        vector = gather_within_rows(new, best)
        vectors = ops.where(ops.equal(self.vector_positions, length + 1), vector, vectors)
        next_logits, next_weights = (gather_rows(x, chosen) for x in (next_logits, next_weights))
        return _Carried(found, next_logits, next_weights, vectors), weights

    def _vectors(self, tensors: list[Tensor]) -> Tensor:
        """The representations `(R, D)` of the last tokens, of length 1, in float32."""
        vectors = ops.cast(hidden_of(self.given, self.stepper.state(tensors)), "float32")
        return ops.normalize(vectors, axis=-1)


def hidden_of(decoder: object, state: Structure) -> Tensor:
    """The representation `(B, D)` of the last token that was read, see `ContrastiveSearch`."""
    if isinstance(decoder, GivesHidden):
        return decoder.hidden(state)
    if isinstance(state, dict) and "hidden" in state:
        return state["hidden"]
    raise ValueError(
        "decoder: expected one that gives the representation of its last token, by a method "
        f"hidden(state) or as the part 'hidden' of its state, received {type(decoder).__name__}."
    )


def _chosen_later(_: Tensor, values: Tensor) -> Tensor:
    raise NotImplementedError("ContrastiveLoop chooses after the step.")
