"""Which tokens may come next: one small class per constraint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention._core.backend.gathers import scatter_add
from keras_attention._core.checks import check_number, check_positive
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Tensor
from keras_attention.generation.settings import Settings
from keras_attention.text.special_ids import SpecialIds


class Unfinished(NamedTuple):
    """Hypotheses before their next token: the input of a constraint.

    Attributes:
        length: the number of tokens of each hypothesis so far, a scalar.
        tokens: ids `(B, K, T)`, padding from `length` on.
        source_mask: `(B, S)`, the real positions of the source, or None where
            they are not known.
        special_ids: those of the model.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import Unfinished
    >>> Unfinished(length=2, tokens=np.array([[[7, 5, 0]]])).last().numpy().tolist()
    [[5]]
    """

    length: Tensor
    tokens: Tensor
    source_mask: Tensor | None = None
    special_ids: SpecialIds = SpecialIds()

    def last(self, n: int = 1) -> Tensor:
        """The ids `(B, K)` of the n-th last token; padding where there is none."""
        here = ops.equal(ops.arange(self.tokens.shape[-1]), self.length - n)
        last = ops.sum(ops.where(here, self.tokens, 0), axis=-1)
        if not self.special_ids.pad:
            return last
        return ops.where(ops.any(here), last, self.special_ids.pad)


class Constraint(Settings):
    """Base of all constraints: `constraint(logp, unfinished)` lowers what must not come next.

    Constraints are applied one after the other. Padding and start are never
    chosen, with or without constraints. Your own constraint is a frozen
    dataclass, registered with Keras if it is to be saved. It gives a forbidden
    token a log-probability of -1e30.

    Attributes:
        lowers_only: whether no log-probability is ever raised. Set it to False
            where one is (a bonus for some words, the scores of another model).
            The search then does not stop early, since it cannot bound the
            scores of unfinished hypotheses.

    Example, no token twice in a row:

    >>> from dataclasses import dataclass
    >>> from keras import ops
    >>> from keras_attention.generation import Constraint
    >>> @dataclass(frozen=True)
    ... class NoStutter(Constraint):
    ...     def __call__(self, logp: Tensor, unfinished: Unfinished) -> Tensor:
    ...         last = ops.expand_dims(unfinished.last(), -1)
    ...         return ops.where(ops.equal(ops.arange(logp.shape[-1]), last), -1e30, logp)
    """

    lowers_only = True

    def __call__(self, logp: Tensor, unfinished: Unfinished) -> Tensor:
        """Lowers the log-probabilities `(B, K, V)` of tokens that must not come next.

        Args:
            logp: of the model, or after the constraint before.
            unfinished: the hypotheses so far.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__.")


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class BannedTokens(Constraint):
    """These tokens are never chosen.

    Args:
        ids: of the tokens.

    Raises:
        ValueError: for anything but non-negative integers, and when it is
            used, for ids beyond the vocabulary, or where no token is left.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import BannedTokens, Unfinished
    >>> nothing = Unfinished(length=0, tokens=np.array([[[0, 0, 0]]]))
    >>> logp = BannedTokens([3])(np.zeros((1, 1, 5), "float32"), nothing)
    >>> (logp.numpy() < -1e29)[0, 0].tolist()
    [False, False, False, True, False]
    """

    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        ids = tuple(int(i) for i in self.ids)
        if any(i < 0 for i in ids):
            raise ValueError(f"ids: expected non-negative integers, received {self.ids!r}.")
        object.__setattr__(self, "ids", ids)

    def __call__(self, logp: Tensor, unfinished: Unfinished) -> Tensor:
        size = logp.shape[-1]
        if any(i >= size for i in self.ids):
            raise ValueError(f"ids: expected ids below {size}, received {self.ids!r}.")
        never = unfinished.special_ids.never_generated
        if set(range(size)) <= {*self.ids, *never}:
            raise ValueError(
                f"ids: expected one of the {size - len(never)} ids that can be generated to "
                "remain, received all of them."
            )
        return logp + ops.convert_to_tensor(
            [IMPOSSIBLE * (i in self.ids) for i in range(size)], "float32"
        )


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class MinimumLength(Constraint):
    """The end is the n-th token or a later one.

    n is the larger of `length` and `ceil(ratio * S)`, with S the length of the
    source.

    Args:
        length: in tokens, the end included.
        ratio: of the source's length, or None.

    Raises:
        ValueError: for numbers below 0, and when it is used, for a ratio
            where the source's length is not known.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import MinimumLength
    >>> from keras_attention.generation import Unfinished
    >>> one_token = Unfinished(length=1, tokens=np.array([[[7, 0, 0]]]))
    >>> logp = np.zeros((1, 1, 5), "float32")
    >>> [float(MinimumLength(n)(logp, one_token)[0, 0, 2]) > -1 for n in (1, 2, 3)]
    [True, True, False]
    """

    length: int = 0
    ratio: float | None = None

    def __post_init__(self) -> None:
        check_number("length", self.length, at_least=0)
        if self.ratio is not None:
            check_number("ratio", self.ratio, at_least=0)

    def __call__(self, logp: Tensor, unfinished: Unfinished) -> Tensor:
        least: Tensor = self.length
        if self.ratio is not None:
            lengths = source_lengths("ratio", unfinished.source_mask)
            least = ops.maximum(times(self.ratio, lengths), self.length)
            least = ops.reshape(least, (-1, 1, 1))
        early = unfinished.length + 1 < least
        ends = is_token(unfinished.special_ids.end, logp)
        return ops.where(ops.logical_and(early, ends), IMPOSSIBLE, logp)


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class NoRepeatedNgrams(Constraint):
    """No sequence of n tokens occurs twice in a hypothesis.

    Source: Paulus, Xiong and Socher, "A Deep Reinforced Model for Abstractive
    Summarization", 2017, with trigrams.

    Args:
        n: the number of tokens; 1 forbids every repetition.

    Raises:
        ValueError: where `n` is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import NoRepeatedNgrams
    >>> from keras_attention.generation import Unfinished
    >>> given = Unfinished(length=3, tokens=np.array([[[4, 5, 4, 0, 0]]], "int32"))
    >>> logp = NoRepeatedNgrams(2)(np.zeros((1, 1, 6), "float32"), given)
    >>> (logp.numpy() < -1e29)[0, 0].tolist()
    [False, False, False, False, False, True]
    """

    n: int = 3

    def __post_init__(self) -> None:
        check_positive("n", self.n)

    def __call__(self, logp: Tensor, unfinished: Unfinished) -> Tensor:
        tokens, n = unfinished.tokens, self.n
        # Windows of n tokens, by where they end.
        ends = tokens.shape[-1] - n + 1
        if ends < 1:
            return logp
        repeats = ops.arange(n - 1, n - 1 + ends) < unfinished.length
        repeats = ops.broadcast_to(repeats, ops.shape(tokens[:, :, :ends]))
        for i in range(n - 1):
            last = ops.expand_dims(unfinished.last(n - 1 - i), -1)
            repeats = ops.logical_and(repeats, ops.equal(tokens[:, :, i : i + ends], last))
        size = logp.shape[-1]
        rows = ops.shape(logp)[0] * ops.shape(logp)[1]
        offsets = ops.expand_dims(ops.arange(rows) * size, 1)
        at = ops.reshape(tokens[:, :, n - 1 :], (-1, ends)) + offsets
        lowered = ops.where(ops.reshape(repeats, (-1,)), IMPOSSIBLE, 0.0)
        lowered = scatter_add(ops.reshape(at, (-1, 1)), lowered, (rows * size,))
        return logp + ops.reshape(lowered, ops.shape(logp))


def checked_constraints(constraints: Any) -> tuple[Constraint, ...]:
    """Constraints as a tuple; refuses everything but a list of them."""
    listed = isinstance(constraints, (list, tuple))
    if not listed or not all(isinstance(one, Constraint) for one in constraints):
        raise ValueError(
            "constraints: expected a list of keras_attention.generation.Constraint objects, "
            f"received {constraints!r}."
        )
    return tuple(constraints)


def force(prefix: Tensor, logp: Tensor, free: Tensor, unfinished: Unfinished) -> Tensor:
    """The prefix's token alone where there is one, at the model's own log-probability.

    Constraints do not apply to the tokens of the prefix.

    Args:
        prefix: `(B, T)`, padding where nothing is forced.
        logp: of the model, `(B, K, V)`.
        free: the same after the constraints.
        unfinished: the hypotheses so far.
    """
    here = ops.equal(ops.arange(prefix.shape[-1]), unfinished.length)
    forced = ops.sum(ops.where(here, prefix, 0), axis=-1)
    forced = ops.reshape(forced, (-1, 1, 1))
    only = ops.where(ops.equal(ops.arange(logp.shape[-1]), forced), logp, IMPOSSIBLE)
    return ops.where(ops.not_equal(forced, unfinished.special_ids.pad), only, free)


def is_token(token: int, logp: Tensor) -> Tensor:
    """`(V,)`, True at `token`."""
    return ops.equal(ops.arange(logp.shape[-1]), token)


def is_one_of(ids: Sequence[int], tokens: Tensor) -> Tensor:
    """True where tokens, of any shape, are one of a few ids."""
    if sorted(ids) == list(range(len(ids))):
        return tokens < len(ids)
    found = ops.equal(tokens, ids[0])
    for i in ids[1:]:
        found = ops.logical_or(found, ops.equal(tokens, i))
    return found


def source_lengths(name: str, mask: Tensor | None) -> Tensor:
    """The lengths `(B,)` of the sources; refuses a mask of None."""
    if mask is None:
        raise ValueError(
            f"{name}: expected a model that reads ids, or whose source_mask(inputs) gives the "
            "real positions of the source; received one whose source has no known length."
        )
    return ops.sum(ops.cast(mask, "int32"), axis=-1)


def times(ratio: float, lengths: Tensor) -> Tensor:
    """`ceil(ratio * lengths)`, as integers."""
    # A little less, so that 3 times 1.1 / 1.1 stays 3.
    return ops.cast(ops.ceil(ops.cast(lengths, "float32") * ratio - 1e-4), "int32")
