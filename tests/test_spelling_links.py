"""The letters that were linked to phonemes by hand."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import spelling_links

    return spelling_links


def test_a_letter_is_sure_and_several_are_possible(links):
    word = links.parse("ph=F o=OW n=N e=")
    assert word.word == "phone" and word.phonemes == ("F", "OW", "N")
    assert word.sure == {(2, 1), (3, 2)} and word.possible == {(0, 0), (1, 0)}
    box = links.parse("b=B o=AA x=K+S")
    assert box.phonemes == ("B", "AA", "K", "S") and box.sure == {(0, 0), (1, 1), (2, 2), (2, 3)}


def test_every_chosen_word_is_linked_from_end_to_end(links):
    words = links.load_links()
    assert [(word.word, word.phonemes) for word in words] == links.chosen()
    for word in words:
        linked = {t for _, t in word.sure | word.possible}
        assert linked == set(range(len(word.phonemes))), word.word


def test_wrong_links_are_errors(links):
    word = links.parse("a=AE d=D")
    assert links.errors_of([word.sure], [word]).error_rate == 0
    assert links.errors_of([frozenset({(1, 0), (0, 1)})], [word]).error_rate == 1
