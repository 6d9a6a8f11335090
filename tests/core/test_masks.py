"""Masks, and what is computed under one."""

import numpy as np
import pytest
from keras import ops

from keras_attention._core import masks

SCORES = np.array([[1.0, 2.0, 5.0], [0.5, 0.5, -1.0]], "float32")
MASK = np.array([[True, True, False], [True, True, True]])


def test_combined_masks_are_true_where_all_are():
    assert masks.combine_masks(None, None) is None
    assert masks.combine_masks(None, MASK) is MASK
    other = np.array([[False], [True]])
    np.testing.assert_array_equal(masks.combine_masks(MASK, None, other), MASK & other)


def test_a_causal_mask_is_a_triangle():
    np.testing.assert_array_equal(masks.causal_mask(2, 3), [[[1, 0, 0], [1, 1, 0]]])


def test_lengths_are_masks_of_the_first_positions():
    found = masks.lengths_to_mask(np.array([2, 0, 3]), 3)
    np.testing.assert_array_equal(found, [[1, 1, 0], [0, 0, 0], [1, 1, 1]])


def test_a_masked_step_keeps_its_state():
    before, after = (np.zeros((2, 3)), [np.zeros(2)]), (np.ones((2, 3)), [np.ones(2)])
    kept = masks.keep_where_masked(np.array([True, False]), after, before)
    np.testing.assert_array_equal(kept[0], [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(kept[1][0], [1, 0])


def test_masked_vectors_are_zero_whatever_they_hold():
    x = np.array([[1.0, 2.0], [np.nan, np.inf]])
    found = masks.zero_where_masked(np.array([True, False]), x)
    np.testing.assert_array_equal(found, [[1, 2], [0, 0]])


def test_softmax_equals_that_of_the_unmasked_scores():
    found = np.asarray(masks.masked_softmax(ops.convert_to_tensor(SCORES), MASK))
    for row, scores, mask in zip(found, SCORES, MASK):
        powers = np.exp(scores[mask])
        np.testing.assert_allclose(row[mask], powers / powers.sum(), rtol=1e-6)
        assert not row[~mask].any()


@pytest.mark.parametrize("low", [-1e31, -3e38])
def test_no_score_is_too_low_for_a_mask(low):
    scores = ops.convert_to_tensor(np.array([[low, low, 0.0]], "float32"))
    mask = np.array([[True, True, False]])
    np.testing.assert_allclose(masks.masked_softmax(scores, mask), [[0.5, 0.5, 0]])
    found = masks.masked_log_softmax(scores, mask)
    np.testing.assert_allclose(found, [[np.log(0.5), np.log(0.5), -1e30]], rtol=1e-6)
    np.testing.assert_array_equal(masks.one_hot_of_highest(scores, mask), [[1, 0, 0]])


def test_where_all_is_masked_there_are_zeros():
    scores, mask = ops.convert_to_tensor(SCORES), np.zeros((2, 3), bool)
    assert not np.asarray(masks.masked_softmax(scores, mask)).any()
    assert not np.asarray(masks.one_hot_of_highest(scores, mask)).any()
    assert (np.asarray(masks.masked_log_softmax(scores, mask)) == np.float32(-1e30)).all()


def test_the_first_of_equal_scores_is_the_highest():
    found = masks.one_hot_of_highest(ops.convert_to_tensor(SCORES), MASK)
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0]])
