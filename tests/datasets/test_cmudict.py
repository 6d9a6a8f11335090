"""The CMU Pronouncing Dictionary."""

import pytest

from keras_attention.datasets import load_cmudict


@pytest.fixture(scope="module")
def cmudict():
    return load_cmudict()


def test_cmudict_has_the_published_split(cmudict):
    assert {name: len(words) for name, words in cmudict.items()} == {
        "train": 107_146,
        "dev": 6_302,
        "test": 12_604,
    }


def test_cmudict_has_39_phonemes_and_no_stress(cmudict):
    phonemes = {p for words in cmudict.values() for e in words for s in e.pronunciations for p in s}
    assert len(phonemes) == 39
    assert not any(p[-1].isdigit() for p in phonemes)


def test_no_word_of_cmudict_is_in_two_splits(cmudict):
    words = [entry.word for split in cmudict.values() for entry in split]
    assert len(set(words)) == len(words) == 126_052
    assert all(entry.pronunciations for split in cmudict.values() for entry in split)


def test_words_are_split_by_their_index_and_comments_removed(tmp_path):
    lines = [f"w{i:02} AA1 # a comment" for i in range(20)] + ["w19(2) AA2 B", "w19(3) AA0"]
    (tmp_path / "some.dict").write_text("\n".join(lines))
    splits = load_cmudict(tmp_path / "some.dict")
    assert [entry.word for entry in splits["dev"]] == ["w19"]
    assert [entry.word for entry in splits["test"]] == ["w17", "w18"]
    assert len(splits["train"]) == 17
    assert splits["dev"][0].pronunciations == (("AA",), ("AA", "B"))


def test_a_line_without_phonemes_is_refused(tmp_path):
    (tmp_path / "bad.dict").write_text("cat K AE T\ndog\n")
    with pytest.raises(ValueError, match=r"line 2: expected a word and its phonemes.*'dog'"):
        load_cmudict(tmp_path / "bad.dict")
