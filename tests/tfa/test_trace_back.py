"""tfa's gather_tree, as indices."""

import keras
import numpy as np
import pytest

from keras_attention.tfa import trace_back


def by_hand(parents, lengths):
    found = np.zeros_like(parents)
    batch, steps, width = parents.shape
    for example in range(batch):
        for beam in range(width):
            at = beam
            for t in reversed(range(steps)):
                found[example, t, beam] = at
                at = parents[example, t, at] if t < lengths[example] else at
    return found


# Of lengths that end within the steps, and of some beyond them, which tfa takes as well.
@pytest.mark.parametrize("lengths", [[6, 1, 4], [6, 6, 6], [7, 2, 100], [9, 9, 9], [0, 0, 0]])
def test_it_follows_the_parents_up_to_the_length_of_each_example(lengths, rng):
    parents = rng.integers(0, 4, (3, 6, 4))
    found = trace_back(keras.ops.array(parents), keras.ops.array(lengths))
    np.testing.assert_array_equal(found, by_hand(parents, lengths))


def test_the_indices_give_what_gather_tree_gives():
    # The example of TensorFlow's own test of gather_tree, batch first.
    ids = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])
    parents = np.array([[[0, 0, 0], [0, 1, 1], [2, 1, 2]]])
    through = trace_back(keras.ops.array(parents), keras.ops.array([3]))
    found = np.take_along_axis(ids, np.asarray(through), axis=2)
    assert found.tolist() == [[[2, 2, 2], [6, 5, 6], [7, 8, 9]]]


def test_other_ranks_are_refused():
    with pytest.raises(ValueError, match=r"parent_ids: expected parents of shape"):
        trace_back(keras.ops.zeros((2, 3), dtype="int32"), keras.ops.array([1, 1]))
    with pytest.raises(ValueError, match=r"lengths: expected lengths of shape"):
        trace_back(keras.ops.zeros((2, 3, 4), dtype="int32"), keras.ops.ones((2, 1)))
