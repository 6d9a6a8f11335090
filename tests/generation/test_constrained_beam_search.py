"""Lexically constrained beam search: all words are in the result, and it is the plain loops'."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import (
    BeamSearch,
    ConstrainedBeamSearch,
    Greedy,
    generate,
)
from keras_attention.text import Vocabulary
from tests.generation.test_beam_search import LONGEST, PREFIX, SETTINGS, SOURCE, require_equal
from tests.support.plain_search import Path, Toy, contains, plain_constrained_search
from tests.support.tables import one_in

PHRASES = [[(4,)], [(7, 5), (3,)], [(6, 6), (8, 6), (6,)]]


def as_ids(phrases, number=3, longest=3):
    ids = np.zeros((len(phrases), number, longest), "int32")
    for row, its_phrases in zip(ids, phrases):
        for at, phrase in zip(row, its_phrases):
            at[: len(phrase)] = phrase
    return ids


def random_phrases(rng, vocabulary, total):
    """Up to three random phrases of `total` tokens in all."""
    tokens = rng.integers(3, vocabulary, total).tolist()
    cuts = sorted(rng.integers(0, total + 1, 2).tolist())
    parts = tokens[: cuts[0]], tokens[cuts[0] : cuts[1]], tokens[cuts[1] :]
    return [tuple(part) for part in parts if part]


def require_phrases(found, phrases):
    for row, its_phrases in enumerate(phrases):
        assert float(found.scores[row, 0]) > -1e29
        for n in range(found.scores.shape[1]):
            if float(found.scores[row, n]) > -1e29:
                tokens = np.asarray(found.sequences)[row, n, : int(found.lengths[row, n])]
                assert all(contains(tokens, phrase) for phrase in its_phrases), (tokens, phrases)


@pytest.mark.parametrize(
    "name", ["plain", "wide, few wanted", "gnmt", "average", "coverage", "minimum", "one beam"]
)
def test_equals_plain_loops(name):
    toy = Toy(seed=3, end_bias=0.5)
    settings, for_plain = SETTINGS[name]
    search = ConstrainedBeamSearch(**{"num_beams": 3, "max_length": LONGEST, **settings})
    found = search(toy, SOURCE, phrases=as_ids(PHRASES))
    require_phrases(found, PHRASES)
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        plain = {"width": 3, "longest": LONGEST, **for_plain(path.length, path)}
        expected = plain_constrained_search(path, phrases=PHRASES[row], **plain)
        require_equal(found, expected, path, row)


@pytest.mark.parametrize("seed", one_in(3, range(3)))
def test_every_phrase_is_there_whatever_the_model(seed):
    """In a graph, for random models and phrases, up to as many tokens as there may be."""
    rng = np.random.default_rng(seed)
    toy = Toy(seed=seed, vocabulary=12, end_bias=rng.normal(), sharp=rng.uniform(0.3, 4))
    search = ConstrainedBeamSearch(num_beams=1 + 2 * seed, max_length=7, length_penalty=0.6)
    plain = BeamSearch(num_beams=1 + 2 * seed, max_length=7, length_penalty=0.6)
    graph = tf.function(
        lambda ids, phrases: search(toy, ids, phrases=phrases),
        input_signature=[
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, 3, 7), tf.int32),
        ],
        autograph=False,
    )
    for _ in range(4):
        sources = rng.integers(3, 20, (16, 5)).astype("int32")
        phrases = [random_phrases(rng, 12, rng.integers(1, 8)) for _ in sources]
        found = graph(tf.constant(sources), tf.constant(as_ids(phrases, 3, 7)))
        require_phrases(found, phrases)
        # Words of the unconstrained result do not make it worse.
        best = plain(toy, sources)
        tokens = np.asarray(best.sequences)[:, 0]
        own = [[tuple(row[:2])] if 2 not in row[:2] else [] for row in tokens]
        again = search(toy, sources, phrases=as_ids(own, 3, 7))
        assert np.all(np.asarray(again.scores)[:, 0] >= np.asarray(best.scores)[:, 0] - 1e-4)
        if any(own):
            assert np.mean(np.all(np.asarray(again.sequences)[:, 0, :2] == tokens[:, :2], 1)) > 0.9


def test_random_models_equal_plain_loops():
    rng = np.random.default_rng(7)
    for seed in range(4):
        toy = Toy(seed=seed, vocabulary=10, end_bias=0.3)
        phrases = [random_phrases(rng, 10, 1 + row) for row in range(3)]
        found = ConstrainedBeamSearch(num_beams=4, max_length=5)(
            toy, SOURCE, phrases=as_ids(phrases)
        )
        for row, source in enumerate(SOURCE):
            path = Path(toy, source)
            expected = plain_constrained_search(path, 4, 5, phrases[row])
            require_equal(found, expected, path, row)


def test_without_phrases_it_is_beam_search():
    toy = Toy(seed=3, end_bias=0.5)
    expected = BeamSearch(num_beams=3, max_length=LONGEST)(toy, SOURCE)
    search = ConstrainedBeamSearch(num_beams=3, max_length=LONGEST)
    for found in (search(toy, SOURCE), search(toy, SOURCE, phrases=as_ids([[], [], []]))):
        for one, other in zip(found, expected):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_phrases_of_the_search_and_of_the_call_together():
    toy = Toy(seed=3, end_bias=0.5)
    search = ConstrainedBeamSearch(num_beams=3, max_length=8, phrases=((5, 7), (4,)))
    require_phrases(search(toy, SOURCE), [[(5, 7), (4,)]] * 3)
    found = search(toy, SOURCE, phrases=as_ids([[(8,)], [], [(3, 3)]]))
    require_phrases(found, [[(5, 7), (4,), (8,)], [(5, 7), (4,)], [(5, 7), (4,), (3, 3)]])


def test_with_a_prefix_and_a_ratio():
    toy = Toy(seed=3, end_bias=0.5)
    search = ConstrainedBeamSearch(num_beams=3, max_length=9, max_length_ratio=0.5)
    phrases = [[(7, 8)], [(3,), (4,)], [(5, 5, 5)]]
    require_phrases(search(toy, SOURCE, phrases=as_ids(phrases)), phrases)
    found = ConstrainedBeamSearch(num_beams=3, max_length=9)(
        toy, SOURCE[:2], PREFIX[:2], phrases=as_ids(phrases[:2])
    )
    require_phrases(found, phrases[:2])
    assert np.all(np.asarray(found.sequences)[0, :, 0] == 5)
    assert np.all(np.asarray(found.sequences)[1, :, :3] == [6, 7, 4])


def test_what_a_constraint_forbids_is_not_found():
    search = ConstrainedBeamSearch(num_beams=3, max_length=5, phrases=((4,),), banned=(4,))
    found = search(Toy(seed=3), SOURCE)
    assert np.all(np.asarray(found.scores) < -1e29) and not np.any(found.sequences)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phrases": (4, 5)}, "phrases: expected a list of phrases, lists of ids"),
        ({"phrases": ((4,), ())}, "phrases: expected a list of phrases, lists of ids"),
        ({"phrases": ((0.5,),)}, "phrases: expected a list of phrases, lists of ids"),
        (
            {"phrases": ((4, 5), (6,)), "max_length": 2},
            "phrases: expected at most max_length, 2, tokens in all of them together, received 3",
        ),
    ],
)
def test_settings_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        ConstrainedBeamSearch(**options)


class Writer(Toy):
    source_vocabulary, target_vocabulary = (
        Vocabulary("abcdefghijklmnop"),
        Vocabulary(["le", "roi", "dort", "ici", "bien"], separator=" "),
    )


@pytest.fixture(scope="module")
def writer():
    return Writer(seed=3, end_bias=0.5)


def test_words_through_the_vocabulary(writer):
    words = [["roi dort"], [], ["bien", "ici"]]
    search = BeamSearch(num_beams=3, max_length=6)
    found = generate(writer, ["ab", "c", "de"], search, must_include=words)
    for one, its_words in zip(found, words):
        assert all(contains(one.tokens, word.split()) for word in its_words)
    plain = generate(writer, ["ab", "c", "de"], search)
    assert found[1].text == plain[1].text
    ids = [[[5, 6]], [], [[8], [7]]]
    again = generate(writer, ["ab", "c", "de"], search, must_include=ids, batch_size=2)
    assert [one.text for one in again] == [one.text for one in found]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([["roi"]], "must_include: expected a list, one for each of 2 inputs, received 1"),
        (["roi", "dort"], "must_include: expected a list of words or phrases for each input"),
        ([[""], []], "must_include: expected phrases of at least one token"),
        ([[[2]], []], "must_include: expected phrases of at least one token"),
        ([[[99]], []], "must_include: expected ids from 0 to 8"),
        ([["le", "le"], ["le roi dort ici"]], "phrases: expected at most max_length, 3"),
    ],
)
def test_words_that_do_not_fit(writer, words, message):
    with pytest.raises(ValueError, match=message):
        generate(writer, ["a", "b"], BeamSearch(max_length=3), must_include=words)


def test_words_need_beams(writer):
    with pytest.raises(ValueError, match="must_include: expected a BeamSearch"):
        generate(writer, ["a"], Greedy(), must_include=[["roi"]])
