"""How much of a text is read, in Python and in a graph alike."""

import pytest
import tensorflow as tf

from keras_attention.text import HasLongest, Subwords, Vocabulary
from keras_attention.text.bounds import characters_read, cut_text, longest_of
from keras_attention.text.graph import cut_texts


@pytest.mark.parametrize("longest", [1, 512, 600])
@pytest.mark.parametrize("character", ["a", "é", "€", "\U0001f680", "\0"])
def test_a_text_is_cut_at_the_same_character(longest, character):
    count = characters_read(longest)
    for more in (-1, 0, 1, 70_000):
        text = character * (count + more - 1) + "z"
        expected = cut_text(text, longest)
        assert len(expected) == min(count, count + more)
        assert cut_texts(tf.constant([text]), longest).numpy()[0].decode() == expected


def test_what_is_no_text_is_replaced():
    assert cut_text("a\ud800b", 5) == "a?b"
    found = cut_texts(tf.constant([b"a\xffb", b"", b"\xe2\x82"]), 5).numpy()
    assert [text.decode() for text in found] == ["a\ufffdb", "", "\ufffd"]


def test_every_vocabulary_says_how_much_it_reads():
    vocabularies = Vocabulary("ab", longest=7), Subwords(["a"], longest=7)
    assert all(isinstance(one, HasLongest) and longest_of(one) == 7 for one in vocabularies)
    assert longest_of(object()) == 512
