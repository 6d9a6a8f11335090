"""Lexically constrained beam search: words that have to be in the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention._core.backend.gathers import gather_within_rows, scatter_add
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.beam_search import BeamSearch
from keras_attention.generation.beams import BeamLoop, Beams, Extensions
from keras_attention.generation.constraints import Unfinished
from keras_attention.generation.decoder import DecoderLike, Search
from keras_attention.generation.decoders import as_decoder
from keras_attention.generation.extensions import best_extensions
from keras_attention.generation.hypotheses import Hypotheses, cut_to_longest, select
from keras_attention.generation.phrases import Phrases
from keras_attention.generation.stepper import POSSIBLE
from keras_attention.text.special_ids import SpecialIds


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class ConstrainedBeamSearch(BeamSearch):
    """Beam search whose hypotheses contain given words or phrases, all of them.

    At every step the candidates are sorted into banks, by how many tokens of
    the phrases they have: each beam's best extensions, and each beam extended
    by each token of a phrase. The K beams are shared out among the banks,
    one candidate of each bank after another, the most complete bank first. Only
    a hypothesis with all phrases may end, and none is kept that could not write
    the missing ones up to `max_length`. So the result has all phrases, unless
    they are longer than `max_length` together with the prefix, or a constraint
    forbids them: then nothing is found, with a score of -1e30.

    The same beam search runs without phrases too, and its hypotheses that have
    them all compete. So a result that has them anyway is found as well as by
    `BeamSearch`; the time is that of two to three such searches.

    The tokens of a phrase stand side by side; phrases may overlap, and one that
    is given twice needs to occur once. Without phrases the result is that of
    `BeamSearch`.

    Sources: Hokamp and Liu, "Lexically Constrained Decoding for Sequence
    Generation Using Grid Beam Search", 2017; the shared beams: Post and Vilar,
    "Fast Lexically Constrained Decoding with Dynamic Beam Allocation for Neural
    Machine Translation", 2018.

    Args:
        phrases: ids of the phrases of every example, one tuple each.

    All other arguments are those of `BeamSearch`.

    Call arguments:
        decoder, inputs, prefix: as for `BeamSearch`.
        phrases: ids `(B, P, L)` of up to P phrases of up to L tokens for each
            example, padded, in addition to those of the search; P and L
            are known.

    Returns:
        `Hypotheses`.

    Raises:
        ValueError: as `BeamSearch`, and for phrases that are no ids, that are
            empty, or that are longer than `max_length` all together.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import ConstrainedBeamSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> search = ConstrainedBeamSearch(phrases=((8, 9), (7,)), max_length=5)
    >>> found = search(EncoderDecoder(30, 40, units=16), np.array([[5, 6]]))
    >>> {7, 8, 9} <= set(found.sequences[0, 0].numpy().tolist())
    True
    """

    phrases: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "phrases", _checked_phrases(self.phrases))
        _check_total(sum(map(len, self.phrases)), self.max_length)

    def __call__(
        self,
        decoder: DecoderLike,
        inputs: Structure,
        prefix: Tensor | None = None,
        phrases: Tensor | None = None,
    ) -> Hypotheses:
        plain = self._loop(BeamLoop, decoder, inputs, prefix)
        found = plain.whole()
        ids = self._all_phrases(phrases, plain.batch, as_decoder(decoder).special_ids)
        if ids is not None:
            forced = Phrases(ids, plain.special_ids.pad)
            loop = self._loop(ConstrainedLoop, decoder, inputs, prefix, phrases=forced)
            found = _better(found, loop.whole(), forced, plain.special_ids.pad)
        return cut_to_longest(found)

    def _all_phrases(self, phrases: Any, batch: Any, special: SpecialIds) -> Tensor | None:
        """The phrases of the search and of the call, `(B, P, L)`, or None without any."""
        if isinstance(phrases, (list, tuple, np.ndarray)):
            given = np.asarray(phrases)
            real = (given != special.pad).sum(axis=tuple(range(1, given.ndim)))
            _check_total(int(real.max(initial=0)), self.max_length)
        everywhere = None
        if self.phrases:
            rows = phrase_ids([self.phrases], special, self.max_length)
            everywhere = ops.repeat(ops.convert_to_tensor(rows), batch, axis=0)
        if phrases is None:
            return everywhere
        ids = ops.cast(ops.convert_to_tensor(phrases), "int32")
        if len(ids.shape) != 3 or None in ids.shape[1:] or 0 in ids.shape[1:]:
            raise ValueError(
                "phrases: expected ids of shape (batch, phrases, tokens), the last two known, "
                f"received shape {tuple(ids.shape)}."
            )
        if everywhere is None:
            return ids
        width = max(ids.shape[2], everywhere.shape[2])
        both = [
            ops.pad(x, ((0, 0), (0, 0), (0, width - x.shape[2])), constant_values=special.pad)
            for x in (everywhere, ids)
        ]
        return ops.concatenate(both, axis=1)


class ConstrainedLoop(BeamLoop):
    """The loop of `ConstrainedBeamSearch`: it chooses by banks.

    Args:
        phrases: those of each example.
    """

    def __init__(self, *args: Any, phrases: Phrases, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phrases = phrases
        # Log-probabilities of all tokens, not logits.
        self.constrained = True
        if self.ratio:
            # The words come before the ratio.
            total = ops.expand_dims(phrases.total, 1)
            self.limits = ops.minimum(ops.maximum(self.limits, total), self.length)

    def _choose(self, length: Tensor, beams: Beams, logits: Tensor, slots: int) -> Extensions:
        phrases, width, size = self.phrases, self.num_beams, self.vocabulary
        tokens = beams.history % size
        progress = phrases.progress(Unfinished(length, tokens, None, self.special_ids))
        after = phrases.after(progress)
        count = phrases.tokens.shape[1]
        # How many tokens a hypothesis may still write after this one.
        left = self.limits - (length + 1)

        # Each beam by each token of a phrase.
        rows = ops.repeat(phrases.tokens, slots, axis=0)
        forced = ops.reshape(gather_within_rows(logits, rows), (-1, slots, count))
        forced = forced + ops.expand_dims(beams.logp, 2)
        missing = phrases.missing(after)
        usable = ops.logical_and(
            ops.expand_dims(phrases.usable, 1), missing <= ops.expand_dims(left, -1)
        )
        forced = ops.where(usable, forced, IMPOSSIBLE)

        # Each beam by its best other tokens, with which no phrase goes on.
        others = logits + _at_tokens(rows, size, IMPOSSIBLE)
        logp, _, best, _ = best_extensions(
            others, ops.reshape(beams.logp, (-1, 1)), width, True, self.special_ids.hidden
        )
        absent = phrases.absent(progress.done)
        logp = ops.reshape(logp, (-1, slots, width))
        logp = ops.where(ops.expand_dims(absent <= left, 2), logp, IMPOSSIBLE)

        parents = ops.reshape(ops.arange(slots), (1, slots, 1))
        candidates = [
            (logp, ops.reshape(best, (-1, slots, width)), ops.expand_dims(absent, 2)),
            (forced, ops.expand_dims(phrases.tokens, 1), missing),
        ]
        flat: list[list[Tensor]] = [[], [], [], []]
        for its_logp, its_tokens, its_missing in candidates:
            like = ops.zeros_like(its_logp, dtype="int32")
            parts = (its_logp, parents + like, its_tokens + like, its_missing + like)
            for into, part in zip(flat, parts):
                into.append(ops.reshape(part, (-1, slots * part.shape[2])))
        logp, parent, token, missed = (ops.concatenate(parts, axis=1) for parts in flat)

        ends = ops.reshape(logits[:, self.special_ids.end], (-1, slots)) + beams.logp
        ends = ops.where(ops.equal(absent, 0), ends, IMPOSSIBLE)
        # An end competes with what has all phrases too.
        complete = ops.where(ops.equal(missed, 0), logp, IMPOSSIBLE)
        both, _ = ops.top_k(ops.concatenate([complete, ends], axis=1), width)
        among_best = ends >= ops.maximum(both[:, -1:], POSSIBLE)
        chosen = _from_banks(logp, missed, count, width)
        logp, parent, token = (gather_within_rows(x, chosen) for x in (logp, parent, token))
        return Extensions(logp, parent, token, ends, among_best)


def _from_banks(logp: Tensor, missing: Tensor, most: int, count: int) -> Tensor:
    """Which `count` candidates are kept, the most probable first: `(B, count)`.

    One of each bank after another, the fewest `missing` tokens first.

    Args:
        logp: `(B, N)`.
        missing: `(B, N)`, from 0 to `most`.
    """
    number = logp.shape[1]
    logp, order = ops.top_k(logp, number)
    order = ops.cast(order, "int32")
    missing = gather_within_rows(missing, order)
    # Not one_hot, which does not convert to ONNX for integers.
    banks = ops.cast(ops.equal(ops.expand_dims(missing, 2), ops.arange(most + 1)), "int32")
    rank = ops.sum(banks * (ops.cumsum(banks, axis=1) - 1), axis=-1)
    place = ops.where(logp > POSSIBLE, rank, number) * (most + 1) + missing
    _, first = ops.top_k(-ops.cast(place, "float32"), count)
    first = ops.cast(first, "int32")
    _, again = ops.top_k(gather_within_rows(logp, first), count)
    return gather_within_rows(order, gather_within_rows(first, ops.cast(again, "int32")))


def _at_tokens(tokens: Tensor, size: int, value: float) -> Tensor:
    """`(R, size)`, `value` or a multiple of it at the tokens `(R, Q)` of each row, else 0."""
    rows = ops.shape(tokens)[0]
    at = ops.reshape(tokens + ops.expand_dims(ops.arange(rows) * size, 1), (-1, 1))
    values = ops.full((ops.shape(at)[0],), value, dtype="float32")
    return ops.reshape(scatter_add(at, values, (rows * size,)), (-1, size))


def _better(one: Hypotheses, other: Hypotheses, phrases: Phrases, pad: int) -> Hypotheses:
    """The best of both that have all phrases, each once."""
    complete = ops.all(phrases.occur(one.sequences), axis=-1)
    scores = ops.where(complete, one.scores, IMPOSSIBLE)
    same = ops.equal(ops.expand_dims(one.sequences, 1), ops.expand_dims(other.sequences, 2))
    same = ops.logical_and(ops.all(same, axis=-1), ops.expand_dims(complete, 1))
    new = ops.where(ops.any(same, axis=-1), IMPOSSIBLE, other.scores)
    both = [ops.concatenate([x, y], axis=1) for x, y in zip(one, other)]
    both[1] = ops.concatenate([scores, new], axis=1)
    found = select(Hypotheses(*both), one.scores.shape[1])
    possible = found.scores > POSSIBLE
    wide = ops.expand_dims(possible, 2)
    return Hypotheses(
        ops.where(wide, found.sequences, pad),
        found.scores,
        ops.where(possible, found.lengths, 0),
        ops.where(ops.expand_dims(wide, 3), found.attention, 0.0),
    )


def constrained(search: Search) -> ConstrainedBeamSearch:
    """A beam search as one that takes phrases; refuses other searches."""
    if isinstance(search, ConstrainedBeamSearch):
        return search
    if type(search) is not BeamSearch:
        raise ValueError(
            "must_include: expected a BeamSearch or ConstrainedBeamSearch as search, received "
            f"{search!r}."
        )
    return ConstrainedBeamSearch(**{f.name: getattr(search, f.name) for f in fields(search)})


def phrase_ids(
    phrases: Sequence[Sequence[Sequence[int]]], special_ids: SpecialIds, max_length: int
) -> Any:
    """Phrases of each example as ids `(B, P, L)`, padded; refuses those that cannot be written.

    P and L are powers of two, so that few graphs are traced.
    """
    for phrase in (phrase for one in phrases for phrase in one):
        if not phrase or set(phrase) & set(special_ids.hidden):
            raise ValueError(
                "must_include: expected phrases of at least one token, without padding, start and "
                f"end, received ids {list(phrase)!r}."
            )
    _check_total(max(sum(map(len, one)) for one in phrases), max_length)
    number = _power_of_two(max(map(len, phrases)))
    longest = _power_of_two(max([1, *(len(phrase) for one in phrases for phrase in one)]))
    ids = np.full((len(phrases), number, longest), special_ids.pad, "int32")
    for example, one in zip(ids, phrases):
        for row, phrase in zip(example, one):
            row[: len(phrase)] = phrase
    return ids


def _checked_phrases(phrases: Any) -> tuple[tuple[int, ...], ...]:
    listed = isinstance(phrases, (list, tuple))
    if listed and all(isinstance(one, (list, tuple, np.ndarray)) and len(one) for one in phrases):
        arrays = [np.asarray(one) for one in phrases]
        if all(a.ndim == 1 and a.dtype.kind in "iu" and a.min() >= 0 for a in arrays):
            return tuple(tuple(int(i) for i in one) for one in arrays)
    raise ValueError(f"phrases: expected a list of phrases, lists of ids, received {phrases!r}.")


def _check_total(total: int, max_length: int) -> None:
    if total > max_length:
        raise ValueError(
            f"phrases: expected at most max_length, {max_length}, tokens in all of them together, "
            f"received {total}."
        )


def _power_of_two(number: int) -> int:
    """The smallest power of two that is at least `number`."""
    return 1 << max(0, number - 1).bit_length()
