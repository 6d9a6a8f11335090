"""Questions about passages of the Bible: which name is left out of the verse that follows?"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from keras_attention._core.checks import check_positive
from keras_attention.datasets.bible import Verses, read_verses

# Stands in a question for the name that was left out.
BLANK = "_____"

_DEV_BOOKS = {8: "Ruth", 17: "Esther", 27: "Daniel", 32: "Jonah"}
_TEST_BOOKS = {7: "Judges", 44: "Acts"}

_TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d+|[^\w\s]")
_POSSESSIVE = re.compile(r"(.+?)(['\u2019]s?)")
# After these a word has a capital, name or not.
_BEGINS = frozenset(".?!:\"'\u2018\u2019\u201c\u201d")
# Always with a capital, yet no names; and the names of God, who is in nearly every passage.
_NO_NAMES = frozenset({"I", "O", "God", "Yahweh", "Yah", "Lord", "Almighty"})


class Cloze(NamedTuple):
    """A passage, and a verse after it that lacks a name of the passage.

    Attributes:
        passage: the tokens of each verse.
        question: the tokens of the next verse, with `BLANK` in place of the
            name wherever it stood.
        answer: the name.
        names: all names of the passage and of the question, in order of first
            mention.

    Example:

    >>> from keras_attention.datasets import Cloze
    >>> passage = (("Ruth", "went", "to", "Naomi", "and", "Orpah"),)
    >>> one = Cloze(passage, ("_____", "kissed", "Ruth"), "Orpah", ("Ruth", "Naomi", "Orpah"))
    >>> one.candidates
    ('Naomi', 'Orpah')
    """

    passage: tuple[tuple[str, ...], ...]
    question: tuple[str, ...]
    answer: str
    names: tuple[str, ...]

    @property
    def candidates(self) -> tuple[str, ...]:
        """The names of the passage that the question does not show; one is the answer."""
        return tuple(name for name in self.names if name not in self.question)


def load_cloze(
    verses: int = 20, path: str | os.PathLike[str] | None = None
) -> dict[str, list[Cloze]]:
    """Passages of the World English Bible, each with a verse that lacks a name.

    A question is a verse in which a name of the `verses` verses before it is left
    out; a verse with several such names gives several questions. Only questions
    with two or more candidates are kept. Of 20 verses there are 14,404 questions
    for training, 469 for validation (Ruth, Esther, Daniel, Jonah) and 1,391 for
    testing (Judges, Acts), with 14 candidates on average. No other book tells
    the same at length as one of these.

    What is a name is read off the text: a word that stands at least twice with a
    capital where no sentence begins, and hardly ever without one. These are
    persons, places and peoples; the names of God are left out, since they are in
    nearly every passage.

    The form of the task is that of Hermann et al., "Teaching Machines to Read
    and Comprehend", 2015. Source of the text: see `load_bible`.

    Args:
        verses: of a passage.
        path: as in `load_bible`.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of `Cloze`.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: if `verses` is not positive, or the file has another checksum
            or layout.

    Example:

    >>> from keras_attention.datasets.cloze import cloze_questions
    >>> verses = [("Ruth", "told", "Naomi"), ("Naomi", "smiled")]
    >>> (one,) = cloze_questions(verses, {"Ruth", "Naomi"}, 1)
    >>> one.question, one.candidates
    (('_____', 'smiled'), ('Ruth', 'Naomi'))
    """
    check_positive("verses", verses)
    (texts,) = read_verses(path, "en")
    splits: dict[str, list[Cloze]] = {"train": [], "dev": [], "test": []}
    tokens = {verse: tokens_of(text) for verse, text in texts.items()}
    names = names_in(tokens.values())
    for book, numbers in _books(texts):
        split = "dev" if book in _DEV_BOOKS else "test" if book in _TEST_BOOKS else "train"
        splits[split] += cloze_questions([tokens[verse] for verse in numbers], names, verses)
    return splits


def tokens_of(text: str) -> tuple[str, ...]:
    """Words, numbers and signs; the `'s` of a possessive is a token of its own.

    Example:

    >>> from keras_attention.datasets.cloze import tokens_of
    >>> tokens_of("Ruth's 2 sons, they didn't.")
    ('Ruth', "'s", '2', 'sons', ',', 'they', "didn't", '.')
    """
    found: list[str] = []
    for token in _TOKEN.findall(text):
        possessive = _POSSESSIVE.fullmatch(token)
        found += possessive.groups() if possessive else [token]
    return tuple(found)


def names_in(verses: Iterable[Sequence[str]]) -> frozenset[str]:
    """The names among tokens, see `load_cloze`.

    Example:

    >>> from keras_attention.datasets.cloze import names_in
    >>> verses = [("So", "Ruth", "went", "."), ("Now", "Ruth", "so", "spoke", ".")]
    >>> sorted(names_in(verses))
    ['Ruth']
    """
    small: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for verse in verses:
        before = "."
        for token in verse:
            if token[0].isupper():
                capital[token] += 1
                within[token] += before not in _BEGINS
            else:
                small[token] += 1
            before = token
    return frozenset(
        name
        for name, count in capital.items()
        if within[name] >= 2 and 50 * small[name.lower()] <= count and name not in _NO_NAMES
    )


def cloze_questions(
    verses: Sequence[tuple[str, ...]], names: Iterable[str], length: int
) -> Iterator[Cloze]:
    """The questions of successive verses.

    Args:
        verses: tokens of each.
        names: which of them may be left out.
        length: the number of verses of a passage.
    """
    names = frozenset(names)
    for number in range(length, len(verses)):
        passage, question = tuple(verses[number - length : number]), verses[number]
        before = dict.fromkeys(token for verse in passage for token in verse if token in names)
        asked = dict.fromkeys(token for token in question if token in names)
        for answer in asked:
            if answer in before:
                blanked = tuple(BLANK if token == answer else token for token in question)
                one = Cloze(passage, blanked, answer, tuple(before | asked))
                if len(one.candidates) > 1:
                    yield one


def _books(texts: Verses) -> Iterator[tuple[int, list[tuple[int, ...]]]]:
    """The number of each book, and its verses in order."""
    books: dict[int, list[tuple[int, ...]]] = {}
    for verse in texts:
        books.setdefault(verse[0], []).append(verse)
    yield from books.items()
