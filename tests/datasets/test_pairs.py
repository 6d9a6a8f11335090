"""Sentence pairs from files, and their split."""

import pytest

from keras_attention.datasets import (
    Pair,
    load_pairs,
    split_pairs,
)


def test_pairs_from_a_tsv_file(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_bytes("\ufeffHi!\tSalut !\tCC-BY 2.0\r\n\r\nA\u2028b\tC\r\n\tempty\r\n".encode())
    assert load_pairs(file) == [Pair("Hi!", "Salut !"), Pair("A\u2028b", "C")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end(end, tmp_path):
    for name, lines in {"pairs": "Hi\tSalut|Yes\tOui|", "a": "Hi|Yes|", "b": "Salut|Oui"}.items():
        (tmp_path / name).write_bytes(lines.replace("|", end).encode())
    pairs = [Pair("Hi", "Salut"), Pair("Yes", "Oui")]
    assert load_pairs(tmp_path / "pairs") == pairs
    assert load_pairs(tmp_path / "a", tmp_path / "b") == pairs


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
