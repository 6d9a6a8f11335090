"""Vocabulary, and that its twin inside the graph gives the same answers."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.text import GraphVocabulary, Vocabulary

TEXTS = [
    "cab",
    "CAB",
    "",
    "   ",
    " a  b ",
    "a\tb\nc",
    "a?c",
    "Été",
    "straße",
    "ΌΔΟΣ",
    "日本語",
    "İ",
    "a\u00a0b",
    "\u3000a\u2003b\u3000",
    "a\x1cb\x85",
    "e\u0301",
    "👩‍🚀",
    "<pad>",
    "<end> a",
]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("separator", ["", " "])
def test_graph_and_python_agree(separator, lowercase):
    known = Vocabulary.from_texts([t for t in TEXTS if "?" not in t], separator, lowercase)
    graph = GraphVocabulary(known)
    for text in TEXTS:
        ids, tokens = graph.encode(tf.constant([text]))[0], graph.tokens(tf.constant([text]))[0]
        expected = known.encode(text)
        assert ids.numpy().tolist() == (expected or [0]), repr(text)
        found = [token.decode() for token in tokens.numpy()]
        assert found == (known.split(text) or [""]), repr(text)


def test_a_batch_is_padded_to_its_longest_text():
    graph = GraphVocabulary(Vocabulary("abc"))
    assert graph.encode(tf.constant(["cab", "", "b"])).numpy().tolist() == [
        [6, 4, 5],
        [0, 0, 0],
        [5, 0, 0],
    ]


@pytest.mark.parametrize("separator", ["", " "])
def test_decoding_agrees(separator):
    vocabulary = Vocabulary(["á", "b", "c"], separator)
    graph = GraphVocabulary(vocabulary)
    ids = np.array([[4, 5, 6, 2], [6, 2, 0, 0], [2, 0, 0, 0], [3, 4, 2, 0]])
    texts = [text.decode() for text in graph.join(graph.to_tokens(ids)).numpy()]
    assert texts == [vocabulary.decode(row) for row in ids]


def test_the_twin_runs_in_a_graph_that_is_saved(tmp_path):
    module = tf.Module()
    module.vocabulary = GraphVocabulary(Vocabulary("abc", lowercase=True))
    module.table = module.vocabulary.table
    module.encode = tf.function(
        module.vocabulary.encode, input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded.encode(tf.constant(["Cab", "é"])).numpy().tolist() == [[6, 4, 5], [3, 0, 0]]


def test_ids_are_the_special_ones_and_then_the_tokens():
    vocabulary = Vocabulary("ab")
    assert vocabulary.tokens == ("<pad>", "<start>", "<end>", "<unk>", "a", "b")
    assert len(vocabulary) == 6
    assert vocabulary.decode([1, 4, 5, 2, 4]) == "ab"


def test_special_tokens_in_a_text_are_unknown():
    vocabulary = Vocabulary(["a"], separator=" ")
    assert vocabulary.encode("<end> a <pad>") == [3, 4, 3]


def test_from_texts_sorts_or_keeps_the_most_frequent():
    texts = ["bbb", "aac", "d"]
    assert Vocabulary.from_texts(texts).tokens[4:] == ("a", "b", "c", "d")
    assert Vocabulary.from_texts(texts, size=6).tokens[4:] == ("b", "a")


@pytest.mark.parametrize("separator", ["", " "])
def test_saved_and_loaded_is_equal(separator, tmp_path):
    vocabulary = Vocabulary(["é", "語"], separator, lowercase=True)
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary
    assert Vocabulary.from_config(vocabulary.get_config()) == vocabulary
    assert vocabulary != Vocabulary(["é"], separator)


def test_a_special_token_in_a_text_is_unknown_in_python_and_in_the_graph():
    words = Vocabulary(["a"], separator=" ")
    assert words.encode("a <end> a") == [4, 3, 4]
    assert GraphVocabulary(words).encode(["a <end> a"]).numpy().tolist() == [[4, 3, 4]]
