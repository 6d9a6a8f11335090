"""Ids of words, letters and tags, in batches."""

import numpy as np

from keras_attention.datasets import Tagged
from keras_attention.recipes.tagging_data import LONGEST, Encoding, tagging_batches

EXAMPLES = [
    Tagged(("12", "Main", "St."), ("number", "name", "type")),
    Tagged(("45", "main"), ("number", "name")),
    Tagged(("Oak",), ("name",)),
]


def test_rare_words_are_unknown_and_digits_alike():
    encoding = Encoding.of(EXAMPLES, min_count=2)
    assert encoding.words.tokens[4:] == ("00", "main") and encoding.tags == (
        "name",
        "number",
        "type",
    )
    inputs = encoding.inputs([one.tokens for one in EXAMPLES])
    assert inputs["words"].tolist() == [[4, 5, 3], [4, 5, 0], [3, 0, 0]]
    assert inputs["letters"].shape == (3, 3, LONGEST)
    assert (inputs["letters"][0, 1] != inputs["letters"][1, 1])[0]
    assert (inputs["letters"][1, 2] == 0).all()
    assert encoding.labels(EXAMPLES).tolist() == [[1, 0, 2], [1, 0, 0], [0, 0, 0]]
    assert encoding.get_config()["tags"] == ["name", "number", "type"]


def test_a_long_word_is_cut():
    inputs = Encoding.of(EXAMPLES).inputs([("M" * 40,)])
    assert (inputs["letters"][0, 0] > 3).all()


def test_every_example_is_in_one_batch_of_each_epoch():
    encoding = Encoding.of(EXAMPLES)
    many = [Tagged(("a",) * (1 + n % 5), ("name",) * (1 + n % 5)) for n in range(23)]
    batches = tagging_batches(encoding, many, 4)
    assert int(batches.cardinality()) == 6
    seen = [(inputs["words"].numpy() > 0).sum(1) for inputs, _ in batches]
    assert sorted(np.concatenate(seen)) == sorted(len(one.tokens) for one in many)
    again = [(inputs["words"].numpy() > 0).sum(1) for inputs, _ in batches]
    assert [s.tolist() for s in seen] != [s.tolist() for s in again]


def test_dropped_words_are_unknown_but_padding_stays():
    encoding = Encoding.of(EXAMPLES)
    ((inputs, _),) = tagging_batches(encoding, EXAMPLES, 3, word_dropout=1e9, shuffle=False)
    words = inputs["words"].numpy()
    assert sorted(set(words.ravel())) == [0, 3]
    assert (words > 0).sum() == 6 and (inputs["letters"].numpy() > 0).any()
