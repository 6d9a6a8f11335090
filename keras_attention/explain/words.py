"""From pieces of words to words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from keras_attention._core.checks import check_rank
from keras_attention._core.types import Array, Tensor
from keras_attention.explain.alignments import Link, Links
from keras_attention.text.subwords import CONTINUED


def word_indices(
    pieces: Sequence[str], continued: str = CONTINUED, begins: str | None = None
) -> list[int]:
    """The number of the word of each piece, from 0 on.

    Args:
        pieces: as a vocabulary writes them.
        continued: what pieces inside a word begin with, `"##"`.
        begins: where only the beginnings of words are marked, as SentencePiece
            does with `"▁"`, what they begin with; `continued` is not used then.

    Example:

    >>> from keras_attention.explain import word_indices
    >>> word_indices(["▁un", "##seen", "▁word", "##s", "!"])
    [0, 0, 1, 1, 2]
    >>> word_indices(["▁un", "seen", "▁word", "s"], begins="▁")
    [0, 0, 1, 1]
    """
    number, found = -1, []
    for piece in pieces:
        is_new = piece.startswith(begins) if begins else not piece.startswith(continued)
        # A piece at the beginning is of the first word, whatever it begins with.
        number += is_new or number < 0
        found.append(number)
    return found


def join_pieces(
    weights: Tensor,
    source_words: Sequence[int] | None = None,
    target_words: Sequence[int] | None = None,
) -> Array:
    """Weights over words of weights over pieces: summed over the source, averaged over the target.

    A row that summed to 1 does so again.

    Source: Clark et al., "What Does BERT Look At?", 2019.

    Args:
        weights: `(T, S)`, pieces of the target by pieces of the source.
        source_words, target_words: the number of the word of each piece, as
            `word_indices` gives it; None leaves the axis as it is.

    Returns:
        `(target words, source words)` in float64.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> from keras_attention.explain import join_pieces
    >>> join_pieces([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2]], source_words=[0, 0, 1]).round(2).tolist()
    [[0.5, 0.5], [0.8, 0.2]]
    """
    joined = np.asarray(weights, "float64")
    check_rank("weights", joined, (2,), "weights of shape (target pieces, source pieces)")
    if source_words is not None:
        joined = joined @ _members("source_words", source_words, joined.shape[1])
    if target_words is not None:
        members = _members("target_words", target_words, joined.shape[0])
        joined = (members / np.maximum(members.sum(0), 1)).T @ joined
    return joined


def join_links(
    links: Iterable[Link], source_words: Sequence[int], target_words: Sequence[int]
) -> Links:
    """Links of words of links of pieces: two words are linked if any two of their pieces are.

    Args:
        links: of pieces.
        source_words, target_words: as in `join_pieces`.

    Raises:
        ValueError: for links of pieces that have no word.

    Example:

    >>> from keras_attention.explain import join_links
    >>> sorted(join_links({(0, 0), (1, 0), (2, 1)}, [0, 0, 1], [0, 1]))
    [(0, 0), (1, 1)]
    """
    links = frozenset(links)
    for i, j in links:
        if not (0 <= i < len(source_words) and 0 <= j < len(target_words)):
            raise ValueError(
                f"links: expected positions below {len(source_words)} and {len(target_words)}, "
                f"received {(i, j)}."
            )
    return frozenset((source_words[i], target_words[j]) for i, j in links)


def _members(name: str, words: Sequence[int], pieces: int) -> Array:
    """`(pieces, words)`, 1 where a piece belongs to a word."""
    numbers = np.asarray(words)
    if numbers.shape != (pieces,) or (pieces and numbers.min() < 0):
        raise ValueError(
            f"{name}: expected the number of a word for each of {pieces} pieces, "
            f"received {list(words)}."
        )
    return np.eye(numbers.max(initial=-1) + 1)[numbers]
