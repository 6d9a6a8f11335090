"""Rated sentences and the lexicon."""

import pytest

from keras_attention.datasets import RatedText, load_sentiment, load_sentiment_lexicon


@pytest.mark.parametrize(
    ("domain", "positive", "negative", "neither"),
    [
        ("films", 5242, 5326, 37),
        ("amazon", 2128, 1482, 98),
        ("tweets", 2897, 1299, 4),
        ("editorials", 2204, 2742, 244),
    ],
)
def test_every_domain_is_split_8_to_1_to_1_by_text(domain, positive, negative, neither):
    splits = load_sentiment(domain)
    rated = [one for split in splits.values() for one in split]
    signs = [(one.rating > 0) - (one.rating < 0) for one in rated]
    assert [signs.count(sign) for sign in (1, -1, 0)] == [positive, negative, neither]
    assert all(-4 <= one.rating <= 4 and one.text.strip() for one in rated)
    for name, share in (("train", 0.8), ("dev", 0.1), ("test", 0.1)):
        assert len(splits[name]) / len(rated) == pytest.approx(share, abs=0.02)
    texts = [{one.text.casefold() for one in split} for split in splits.values()]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])
    # Neither entities nor UTF-8 that was read as Latin-1.
    assert not any("&amp;" in one.text or "Ã" in one.text for one in rated)


def test_lines_are_read_from_a_file_with_any_line_end(tmp_path):
    (tmp_path / "some.txt").write_bytes("1\t-0.5\tA  café &amp; bar\r\n\r\n2\t3\tB\n".encode())
    splits = load_sentiment(path=tmp_path / "some.txt")
    rated = sorted(one for split in splits.values() for one in split)
    assert rated == [RatedText("A café & bar", -0.5), RatedText("B", 3.0)]


@pytest.mark.parametrize("line", ["1\ttext", "1\tmuch\ttext", "text", "1\t2\tone\ttwo"])
def test_a_line_without_number_rating_and_text_is_refused(tmp_path, line):
    (tmp_path / "bad.txt").write_text(f"1\t1\tfine\n{line}\n")
    with pytest.raises(ValueError, match=r"path: expected a number, .*on line 2 of '.*bad\.txt'"):
        load_sentiment(path=tmp_path / "bad.txt")


def test_another_domain_is_refused():
    with pytest.raises(ValueError, match="domain: expected one of 'films', 'amazon'"):
        load_sentiment("music")


def test_the_lexicon_has_words_and_their_mean_rating(tmp_path):
    lexicon = load_sentiment_lexicon()
    assert len(lexicon) == 7506 and 0.0 not in lexicon.values()
    assert lexicon["good"] == 1.9 and lexicon["horrible"] == -2.5 and ":)" in lexicon
    assert all(word == word.lower() or not word.isalpha() for word in lexicon)
    (tmp_path / "bad.txt").write_text("good\t1.9\t0.9\nbad\n")
    with pytest.raises(ValueError, match=r"path: expected a word and a rating, .*on line 2\."):
        load_sentiment_lexicon(tmp_path / "bad.txt")
