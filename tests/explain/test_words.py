import numpy as np
import pytest

from keras_attention.explain import join_links, join_pieces, word_indices


def naive_join(weights, source_words, target_words):
    """Sums over the source pieces of a word, means over its target pieces."""
    joined = np.zeros((max(target_words) + 1, max(source_words) + 1))
    for t, target in enumerate(target_words):
        for s, source in enumerate(source_words):
            joined[target, source] += weights[t, s] / target_words.count(target)
    return joined


def test_weights_of_words_are_those_of_their_pieces(rng):
    weights = rng.dirichlet(np.ones(5), size=4)
    source, target = [0, 0, 1, 2, 2], [0, 1, 1, 1]
    found = join_pieces(weights, source, target)
    np.testing.assert_allclose(found, naive_join(weights, source, target))
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_array_equal(join_pieces(weights), weights)


def test_links_of_words_are_those_of_any_of_their_pieces():
    assert join_links({(0, 0), (1, 0), (3, 2)}, [0, 0, 1, 2], [0, 0, 1]) == {(0, 0), (2, 1)}
    with pytest.raises(ValueError, match="links: expected positions below 2 and 1"):
        join_links({(2, 0)}, [0, 1], [0])


def test_pieces_know_their_word():
    assert word_indices([]) == []
    assert word_indices(["##s", "a", "##b", "c"]) == [0, 1, 1, 2]
    assert word_indices(["s", "▁a", "b", "▁c"], begins="▁") == [0, 1, 1, 2]


def test_words_of_other_pieces_are_refused():
    with pytest.raises(ValueError, match="source_words: expected the number of a word for each of"):
        join_pieces(np.ones((2, 3)), source_words=[0, 1])
