"""Questions about passages: what is a name, what is left out, and that no book is in two splits."""

import sqlite3

import pytest

from keras_attention.datasets import BLANK, load_cloze
from keras_attention.datasets.cloze import cloze_questions, names_in, tokens_of

NAMES = {"Ruth", "Naomi", "Boaz", "Orpah"}
VERSES = [
    ("Naomi", "and", "Ruth", "came"),
    ("Ruth", "met", "Boaz"),
    ("Boaz", "told", "Naomi", ",", "and", "Boaz", "ate"),
    ("Orpah", "left"),
]


def test_a_name_stands_with_a_capital_within_sentences():
    verses = [
        tokens_of("Then Ruth said, I will go. Go! So Ruth went. And Hope came to Boaz."),
        tokens_of("When she saw Boaz, hope came. Will you go, said Hope? No, said Hope."),
    ]
    # "Then" begins sentences alone, "I" is no name, "Hope" is written without a capital too.
    assert names_in(verses) == {"Ruth", "Boaz"}


def test_a_possessive_is_two_tokens():
    assert tokens_of("Moses' sister's 2 sons don't") == (
        *("Moses", "'", "sister", "'s", "2", "sons"),
        "don't",
    )


def test_each_name_of_a_verse_that_the_passage_mentions_is_left_out_once():
    questions = list(cloze_questions(VERSES, NAMES, 2))
    assert [one.answer for one in questions] == ["Boaz", "Naomi"]
    first, second = questions
    assert first.passage == tuple(VERSES[:2])
    # Every mention is left out, or the other would give the answer away.
    assert first.question == (BLANK, "told", "Naomi", ",", "and", BLANK, "ate")
    assert first.names == ("Naomi", "Ruth", "Boaz")
    assert first.candidates == ("Ruth", "Boaz") and second.candidates == ("Naomi", "Ruth")


def test_without_a_choice_there_is_no_question():
    assert not list(cloze_questions([("Ruth", "came"), ("Ruth", "ate")], NAMES, 1))
    # The other name of the passage is shown.
    verses = [("Ruth", "saw", "Boaz"), ("Boaz", "greeted", "Ruth")]
    assert not list(cloze_questions(verses, NAMES, 1))


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "small.db"
    with sqlite3.connect(path) as db:
        columns = "(bbName TEXT, bNumber INT, cNumber INT, vNumber INT, vText TEXT)"
        db.execute(f"CREATE TABLE bible {columns}")
        texts = ["Now Ruth met Boaz.", "There Ruth ate.", "And Boaz ate.", "But Ruth and Boaz sat."]
        rows = [("4", book, 1, i, text) for book in (1, 7, 8) for i, text in enumerate(texts, 1)]
        db.executemany("INSERT INTO bible VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
    return path


def test_splits_are_books_and_no_passage_reaches_into_another(database):
    splits = load_cloze(2, database)
    assert {name: len(some) for name, some in splits.items()} == {"train": 1, "dev": 1, "test": 1}
    (one,) = splits["train"]
    assert (one.answer, one.candidates) == ("Boaz", ("Ruth", "Boaz"))


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="verses: expected a positive integer, received 0"):
        load_cloze(0)
    with pytest.raises(FileNotFoundError, match="path: expected an SQLite file"):
        load_cloze(path=tmp_path / "none.db")
