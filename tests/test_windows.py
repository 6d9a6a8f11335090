"""Luong's local attention: what a query sees, counted over the real positions of its row."""

import keras
import numpy as np
import pytest

from keras_attention import Attention, windows
from tests.support.backends import numbers

ONES = np.ones((2, 4, 3), "float32")


def weights_of(window, query=ONES, value=None, **masks):
    value = np.ones((2, 7, 3), "float32") if value is None else value
    attention = Attention("dot", window=window)
    return numbers([attention(query, value, return_attention_scores=True, **masks)[1]])[0]


def test_local_m_moves_on_by_one_position_a_query():
    weights = weights_of(windows.LocalMonotonic(1))
    seen = [np.flatnonzero(row).tolist() for row in weights[0]]
    assert seen == [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)


def test_local_m_stays_at_the_end_of_each_row():
    mask = np.array([[True] * 2 + [False] * 5, [True] * 7])
    weights = weights_of(windows.LocalMonotonic(1), value_mask=mask)
    assert np.flatnonzero(weights[0, 3]).tolist() == [0, 1]
    assert np.flatnonzero(weights[1, 3]).tolist() == [2, 3, 4]


def test_local_m_does_not_count_queries_that_are_padding():
    mask = np.array([[True, False, True, True], [True] * 4])
    weights = weights_of(windows.LocalMonotonic(1), query_mask=mask)
    assert np.flatnonzero(weights[0, 2]).tolist() == [0, 1, 2]
    assert np.flatnonzero(weights[1, 2]).tolist() == [1, 2, 3]


@pytest.mark.parametrize("length", [3, 7])
def test_local_p_predicts_within_the_true_length_of_the_row(length):
    window = windows.LocalPredictive(2)
    window.build((None, None, 3))
    window.v.assign(np.zeros((3, 1)))  # sigmoid(0) is the middle
    mask = np.arange(7) < length
    weights = weights_of(window, value_mask=np.stack([mask, mask]))
    centre = length / 2
    kept = [j for j in range(length) if abs(j - centre) <= 2]
    expected = np.zeros(7)
    for j in kept:
        expected[j] = np.exp(-((j - centre) ** 2) / 2) / len(kept)
    np.testing.assert_allclose(weights[0, 0], expected, rtol=1e-5)


def test_the_kernels_of_the_prediction_are_regularized_and_constrained():
    window = windows.LocalPredictive(
        2, units=3, kernel_initializer="ones", kernel_regularizer="l2", kernel_constraint="non_neg"
    )
    again = windows.deserialize(windows.serialize(window))
    again.build((None, None, 4))
    for weight in (again.kernel, again.v):
        assert isinstance(weight.constraint, keras.constraints.NonNeg)
    np.testing.assert_allclose(sum(numbers(again.losses)), 0.01 * (12 + 3), rtol=1e-6)


def test_the_prediction_learns():
    """Values with their position as content, to be found at the position the query names."""
    rng = np.random.default_rng(0)
    where = rng.integers(0, 10, (256, 1))
    query = np.float32(where[..., None] / 5 - 1)
    value = np.float32(np.broadcast_to(np.arange(10)[None, :, None] / 10, (256, 10, 1)))
    inputs = keras.Input((1, 1)), keras.Input((10, 1))
    attention = Attention("dot", window=windows.LocalPredictive(3, units=8))
    model = keras.Model(inputs, keras.layers.Dense(1)(attention(*inputs)))
    model.compile(keras.optimizers.Adam(0.03), "mse")
    target = np.float32(where[..., None] / 10)
    before = model.evaluate([query, value], target, verbose=0)
    model.fit([query, value], target, epochs=25, verbose=0)
    assert model.evaluate([query, value], target, verbose=0) < before / 20
