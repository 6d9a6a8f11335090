"""Which tokens may come next: one small object a constraint."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention._core.backend.gathers import scatter_add
from keras_attention._core.checks import check_number, check_positive
from keras_attention.generation.settings import Settings
from keras_attention.generation.stepping import NEVER
from keras_attention.text.vocabulary import END


class Unfinished(NamedTuple):
    """Hypotheses that are about to get their next token; what a constraint may look at.

    Attributes:
        length: the tokens that each has so far, a scalar.
        tokens: ids `(B, K, T)`, 0 from `length` on.
        source_mask: `(B, S)`, which positions of the source are real, or None
            where that is not known.
    """

    length: Any
    tokens: Any
    source_mask: Any = None

    def last(self, n=1):
        """The ids `(B, K)` of the token that was the n-th last; 0 where there is none."""
        here = ops.equal(ops.arange(self.tokens.shape[-1]), self.length - n)
        return ops.sum(ops.where(here, self.tokens, 0), axis=-1)


class Constraint(Settings):
    """Base of all constraints: `constraint(logp, unfinished)` lowers what must not come next.

    Constraints are applied one after the other. Padding and start never come
    anyway. To write one's own: a frozen dataclass, registered with Keras if it
    is to be saved.

    Attributes:
        lowers_only: whether no log-probability is ever raised. Where one is
            (a bonus for some words, another model's opinion), set it to
            False, and the search does not stop early: it could no longer tell
            what may still come.

    Example, no token twice in a row:

    >>> from dataclasses import dataclass
    >>> from keras import ops
    >>> from keras_attention.generation import NEVER, Constraint
    >>> @dataclass(frozen=True)
    ... class NoStutter(Constraint):
    ...     def __call__(self, logp, unfinished):
    ...         last = ops.expand_dims(unfinished.last(), -1)
    ...         return ops.where(ops.equal(ops.arange(logp.shape[-1]), last), NEVER, logp)
    """

    lowers_only = True

    def __call__(self, logp, unfinished):
        """Log-probabilities `(B, K, V)` of the next token to the same, lowered.

        Args:
            logp: of the model, or what the constraint before made of them.
            unfinished: `Unfinished`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__.")


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class BannedTokens(Constraint):
    """These tokens never come.

    Args:
        ids: of the tokens.

    Raises:
        ValueError: for anything but non-negative integers, and when it is
            used, for ids that the vocabulary has not.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import BannedTokens
    >>> logp = BannedTokens([3])(np.zeros((1, 1, 5), "float32"), None)
    >>> (logp.numpy() < -1e29)[0, 0].tolist()
    [False, False, False, True, False]
    """

    ids: tuple = ()

    def __post_init__(self):
        ids = tuple(int(i) for i in self.ids)
        if any(i < 0 for i in ids):
            raise ValueError(f"ids: expected non-negative integers, received {self.ids!r}.")
        object.__setattr__(self, "ids", ids)

    def __call__(self, logp, unfinished):
        size = logp.shape[-1]
        if any(i >= size for i in self.ids):
            raise ValueError(f"ids: expected ids below {size}, received {self.ids!r}.")
        return logp + ops.convert_to_tensor(
            [NEVER * (i in self.ids) for i in range(size)], "float32"
        )


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class MinimumLength(Constraint):
    """The end comes no sooner than as the n-th token.

    n is `length`, or `ceil(ratio * S)`, with S the source's length, if that is
    more.

    Args:
        length: in tokens, the end included.
        ratio: of the source's length, or None.

    Raises:
        ValueError: for numbers below 0, and when it is used, for a ratio
            where the source's length is not known.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import MinimumLength
    >>> from keras_attention.generation.constraints import Unfinished
    >>> one_token = Unfinished(length=1, tokens=np.array([[[7, 0, 0]]]))
    >>> logp = np.zeros((1, 1, 5), "float32")
    >>> [float(MinimumLength(n)(logp, one_token)[0, 0, 2]) > -1 for n in (1, 2, 3)]
    [True, True, False]
    """

    length: int = 0
    ratio: float | None = None

    def __post_init__(self):
        check_number("length", self.length, at_least=0)
        if self.ratio is not None:
            check_number("ratio", self.ratio, at_least=0)

    def __call__(self, logp, unfinished):
        least = self.length
        if self.ratio is not None:
            lengths = source_lengths("ratio", unfinished.source_mask)
            least = ops.maximum(times(self.ratio, lengths), self.length)
            least = ops.reshape(least, (-1, 1, 1))
        early = unfinished.length + 1 < least
        return ops.where(ops.logical_and(early, is_token(END, logp)), NEVER, logp)


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class NoRepeatedNgrams(Constraint):
    """No sequence of n tokens comes twice in a hypothesis.

    Source: Paulus, Xiong and Socher, "A Deep Reinforced Model for Abstractive
    Summarization", 2017, with trigrams.

    Args:
        n: how many tokens; 1 forbids every repetition.

    Raises:
        ValueError: where `n` is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import NoRepeatedNgrams
    >>> from keras_attention.generation.constraints import Unfinished
    >>> given = Unfinished(length=3, tokens=np.array([[[4, 5, 4, 0, 0]]], "int32"))
    >>> logp = NoRepeatedNgrams(2)(np.zeros((1, 1, 6), "float32"), given)
    >>> (logp.numpy() < -1e29)[0, 0].tolist()
    [False, False, False, False, False, True]
    """

    n: int = 3

    def __post_init__(self):
        check_positive("n", self.n)

    def __call__(self, logp, unfinished):
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
        lowered = ops.where(ops.reshape(repeats, (-1,)), NEVER, 0.0)
        lowered = scatter_add(ops.reshape(at, (-1, 1)), lowered, (rows * size,))
        return logp + ops.reshape(lowered, ops.shape(logp))


def force(prefix, logp, free, unfinished):
    """Only the prefix's token where it has one, at the model's own log-probability.

    What is forced needs no constraint's leave.

    Args:
        prefix: `(B, T)`, 0 where nothing is forced.
        logp: of the model, `(B, K, V)`.
        free: the same after the constraints.
        unfinished: `Unfinished`.
    """
    here = ops.equal(ops.arange(prefix.shape[-1]), unfinished.length)
    forced = ops.sum(ops.where(here, prefix, 0), axis=-1)
    forced = ops.reshape(forced, (-1, 1, 1))
    only = ops.where(ops.equal(ops.arange(logp.shape[-1]), forced), logp, NEVER)
    return ops.where(forced > 0, only, free)


def is_token(token, logp):
    """`(V,)`, True at `token`."""
    return ops.equal(ops.arange(logp.shape[-1]), token)


def source_lengths(name, mask):
    """The lengths `(B,)` of the sources; refused where they are not known."""
    if mask is None:
        raise ValueError(
            f"{name}: expected a model that reads ids, or tells by source_mask(inputs) which "
            "positions of its source are real; received one whose source has no known length."
        )
    return ops.sum(ops.cast(mask, "int32"), axis=-1)


def times(ratio, lengths):
    """`ceil(ratio * lengths)`, as integers."""
    # A little less, so that 3 times 1.1 / 1.1 stays 3.
    return ops.cast(ops.ceil(ops.cast(lengths, "float32") * ratio - 1e-4), "int32")
