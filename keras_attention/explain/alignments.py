"""Word alignments: links of positions, their files, how they are made of weights, and their errors.

A link is a pair `(source position, target position)`, both from 0 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from keras_attention._core.checks import check_choice, check_number, check_rank
from keras_attention._core.files import write_text
from keras_attention._core.types import Array, Tensor

Link = tuple[int, int]
Links = frozenset[Link]

_LINK = re.compile(r"(\d+)([-p])(\d+)", re.ASCII)
_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
Symmetrization = Literal[
    "intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"
]
_METHODS: tuple[Symmetrization, ...] = (
    "intersection",
    "union",
    "grow-diag",
    "grow-diag-final",
    "grow-diag-final-and",
)


class AlignmentErrors(NamedTuple):
    """How far alignments are from those of people; fractions over all sentences together.

    Attributes:
        error_rate: the alignment error rate, 0 where all sure links and only
            possible ones are there.
        precision: the share of the links that are possible.
        recall: the share of the sure links that are there.

    Example:

    >>> from keras_attention.explain import AlignmentErrors
    >>> AlignmentErrors(0.25, precision=0.5, recall=1.0).error_rate
    0.25
    """

    error_rate: float
    precision: float
    recall: float


def alignment_error_rate(
    found: Sequence[Iterable[Link]],
    sure: Sequence[Iterable[Link]],
    possible: Sequence[Iterable[Link]] | None = None,
) -> AlignmentErrors:
    """The alignment error rate, `1 - (|A & S| + |A & P|) / (|A| + |S|)`, with precision and recall.

    A are the links found, S the sure ones and P the possible ones, which
    include the sure ones. The sizes are sums over all sentences.

    Source: Och and Ney, "A Systematic Comparison of Various Statistical
    Alignment Models", 2003.

    Args:
        found: for each sentence its links.
        sure: for each sentence the links that must be there.
        possible: for each sentence the links that may be there besides.

    Returns:
        `AlignmentErrors`. Precision is 1 without a link, recall 1 without a
        sure one.

    Raises:
        ValueError: for other numbers of sentences, and where there is neither a
            link nor a sure one.

    Example:

    >>> from keras_attention.explain import alignment_error_rate
    >>> alignment_error_rate([{(0, 0), (1, 2)}], sure=[{(0, 0), (1, 1)}], possible=[{(1, 2)}])
    AlignmentErrors(error_rate=0.25, precision=1.0, recall=0.5)
    """
    possible = [()] * len(sure) if possible is None else possible
    if not len(found) == len(sure) == len(possible):
        raise ValueError(
            "sure, possible: expected the links of as many sentences as found, received "
            f"{len(sure)} and {len(possible)} for {len(found)}."
        )
    links = surely = sure_found = possible_found = 0
    for one, must, may in zip(found, sure, possible):
        one, must = frozenset(one), frozenset(must)
        links, surely = links + len(one), surely + len(must)
        sure_found += len(one & must)
        possible_found += len(one & (must | frozenset(may)))
    if not links + surely:
        raise ValueError("found, sure: expected at least one link, received none.")
    return AlignmentErrors(
        1 - (sure_found + possible_found) / (links + surely),
        possible_found / links if links else 1.0,
        sure_found / surely if surely else 1.0,
    )


def links_of_weights(weights: Tensor, at_least: float = 0.0) -> Links:
    """The position with the largest weight for each target token: a hard alignment of a soft one.

    Args:
        weights: `(T, S)`, target tokens by source tokens, without padding.
        at_least: a token whose largest weight is below this has no link; nor
            has one without any weight.

    Returns:
        One link for each target token at most, the first position on a tie.

    Raises:
        ValueError: for another rank.

    Example:

    >>> from keras_attention.explain import links_of_weights
    >>> sorted(links_of_weights([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]))
    [(0, 0), (1, 1), (1, 2)]
    """
    weights = np.asarray(weights, "float64")
    check_rank("weights", weights, (2,), "weights of shape (target tokens, source tokens)")
    at_least = check_number("at_least", at_least)
    best = weights.argmax(1)
    return frozenset(
        (int(i), t) for t, i in enumerate(best) if weights[t, i] > 0 and weights[t, i] >= at_least
    )


def symmetrize(
    forward: Iterable[Link], backward: Iterable[Link], method: Symmetrization = "grow-diag-final"
) -> Links:
    """One alignment of those of two directions.

    `"grow-diag"` begins with the links that both have. It adds a link of
    either beside one that is there already, diagonally too, as long as one of
    its words has no link. `"grow-diag-final"` then adds links of either, first
    `forward`, of which one word has no link; `"grow-diag-final-and"` those of
    which both have none.

    Source: Koehn, Och and Marcu, "Statistical Phrase-Based Translation", 2003;
    links are visited target word by target word.

    Args:
        forward: links of one direction, `(source, target)`.
        backward: links of the other direction, also as `(source, target)`.
        method: `"intersection"`, `"union"`, `"grow-diag"`,
            `"grow-diag-final"` or `"grow-diag-final-and"`.

    Raises:
        ValueError: for another method.

    Example:

    >>> from keras_attention.explain import symmetrize
    >>> forward, backward = {(0, 0), (1, 1), (3, 0)}, {(0, 0), (1, 1), (2, 2)}
    >>> sorted(symmetrize(forward, backward, "grow-diag"))
    [(0, 0), (1, 1), (2, 2)]
    >>> sorted(symmetrize(forward, backward))
    [(0, 0), (1, 1), (2, 2), (3, 0)]
    """
    check_choice("method", method, _METHODS)
    forward, backward = frozenset(forward), frozenset(backward)
    both, either = forward & backward, forward | backward
    if method in ("intersection", "union"):
        return both if method == "intersection" else either
    found = _Growing(both)
    found.grow(either)
    if method != "grow-diag":
        for links in (forward, backward):
            found.finish(links, both_free=method.endswith("and"))
    return frozenset(found.links)


class _Growing:
    """Links that are added one by one, and the words that have one."""

    def __init__(self, links: Iterable[Link]) -> None:
        self.links = set(links)
        self._sources = {i for i, _ in self.links}
        self._targets = {j for _, j in self.links}

    def _add(self, link: Link) -> None:
        self.links.add(link)
        self._sources.add(link[0])
        self._targets.add(link[1])

    def grow(self, either: Links) -> None:
        """Adds links of `either` beside those there, until there are no more."""
        in_order, grown = _in_order(either), True
        while grown:
            grown = False
            for i, j in in_order:
                # Links that were added before in this round have neighbours too.
                for down, right in _NEIGHBOURS if (i, j) in self.links else ():
                    link = (i + down, j + right)
                    free = link[0] not in self._sources or link[1] not in self._targets
                    if link in either and link not in self.links and free:
                        self._add(link)
                        grown = True

    def finish(self, links: Links, both_free: bool) -> None:
        """Adds links of which one word, or both, has none yet."""
        for link in _in_order(links - self.links):
            free = (link[0] not in self._sources, link[1] not in self._targets)
            if all(free) if both_free else any(free):
                self._add(link)


def _in_order(links: Iterable[Link]) -> list[Link]:
    """Target word by target word."""
    return sorted(links, key=lambda link: link[::-1])


def parse_links(line: str) -> tuple[Links, Links]:
    """The sure and the possible links of a line in Pharaoh's format, that of Moses.

    `0-0 1-2 1p3`: source and target positions from 0 on, with `-` where the
    link is sure and `p` where it is possible.

    Raises:
        ValueError: for anything else.

    Example:

    >>> from keras_attention.explain import parse_links
    >>> sure, possible = parse_links("0-0 2-1 1p1")
    >>> sorted(sure), sorted(possible)
    ([(0, 0), (2, 1)], [(1, 1)])
    """
    links: dict[str, set[Link]] = {"-": set(), "p": set()}
    for word in line.split():
        match = _LINK.fullmatch(word)
        if match is None:
            raise ValueError(f"line: expected links such as 0-1 or 0p1, received {word!r}.")
        links[match[2]].add((int(match[1]), int(match[3])))
    return frozenset(links["-"]), frozenset(links["p"] - links["-"])


def format_links(sure: Iterable[Link], possible: Iterable[Link] = ()) -> str:
    """A line of links in Pharaoh's format, sorted; see `parse_links`.

    Example:

    >>> from keras_attention.explain import format_links
    >>> format_links({(2, 1), (0, 0)}, possible={(1, 1)})
    '0-0 1p1 2-1'
    """
    sure = frozenset(sure)
    marked = [*((i, j, "-") for i, j in sure), *((i, j, "p") for i, j in {*possible} - sure)]
    return " ".join(f"{i}{mark}{j}" for i, j, mark in sorted(marked))


def read_links(path: str | Path) -> list[tuple[Links, Links]]:
    """The sure and the possible links of every line of a file; see `parse_links`.

    Raises:
        ValueError: for a line that is not in the format, with its number.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.explain import read_links, write_links
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "links.txt")
    ...     write_links(path, [{(0, 0)}, set()])
    ...     [sorted(sure) for sure, _ in read_links(path)]
    [[(0, 0)], []]
    """
    found = []
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found.append(parse_links(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return found


def write_links(
    path: str | Path,
    links: Iterable[Iterable[Link]],
    possible: Iterable[Iterable[Link]] | None = None,
) -> None:
    """Writes one line of links per sentence, whole or not at all; see `parse_links`.

    Args:
        path: a file that does not exist yet.
        links: for each sentence its links.
        possible: for each sentence links that are possible besides, or None.

    Raises:
        FileExistsError: where the file is there already.
        ValueError: for another number of sentences in `possible`.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.explain import write_links
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "links.txt")
    ...     write_links(path, [{(0, 0), (1, 2)}, {(0, 1)}])
    ...     path.read_text()
    '0-0 1-2\\n0-1\\n'
    """
    path, links = Path(path), list(links)
    others: list[Iterable[Link]] = [()] * len(links) if possible is None else list(possible)
    if len(others) != len(links):
        raise ValueError(
            f"possible: expected the links of {len(links)} sentences, received {len(others)}."
        )
    if path.exists():
        raise FileExistsError(f"path: expected a new file, received {path}, which exists.")
    write_text(path, "".join(f"{format_links(*pair)}\n" for pair in zip(links, others)))


def peaks_in_spans(weights: Tensor, spans: Tensor) -> Array:
    """The pointing game along a sequence: whether the largest weight lies in a span.

    Args:
        weights: `(N, S)`.
        spans: `(N, 2)`, first position and the one after the last.

    Returns:
        `(N,)` booleans; False where all weights are zero.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> from keras_attention.explain import peaks_in_spans
    >>> peaks_in_spans([[0.1, 0.7, 0.2], [0.6, 0.2, 0.2]], [[1, 3], [1, 3]]).tolist()
    [True, False]
    """
    weights, spans = np.asarray(weights), np.asarray(spans)
    check_rank("weights", weights, (2,), "weights of shape (number, positions)")
    if spans.shape != (len(weights), 2):
        raise ValueError(
            f"spans: expected one first and one last position per row, that is shape "
            f"{(len(weights), 2)}, received shape {spans.shape}."
        )
    peaks = weights.argmax(1)
    return (spans[:, 0] <= peaks) & (peaks < spans[:, 1]) & (weights.max(1) > 0)
