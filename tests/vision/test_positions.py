"""Mean and maximum over the positions that are not masked."""

import numpy as np
import pytest

from keras_attention.vision.positions import max_over_positions, mean_over_positions

MASK = np.array([[True, False, True], [False, False, False]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masked_positions_do_not_count_and_no_position_gives_zero(dtype, rng):
    features = rng.normal(size=(2, 3, 4)).astype(dtype)
    features[:, 1] = np.inf
    real = features[0, [0, 2]]
    np.testing.assert_allclose(mean_over_positions(features, MASK)[0], real.mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(max_over_positions(features, MASK)[0], real.max(axis=0))
    for summary in (mean_over_positions, max_over_positions):
        assert not np.any(summary(features, MASK)[1])
        assert str(np.asarray(summary(features, MASK)).dtype) == dtype


def test_the_maximum_of_very_low_numbers_is_their_own():
    features = np.array([[[-3e35], [5.0], [-2e35]]], "float32")
    np.testing.assert_allclose(max_over_positions(features, MASK[:1]), [[-2e35]], rtol=1e-6)


def test_maps_are_flattened(rng):
    features, mask = rng.normal(size=(2, 2, 3, 4)), rng.uniform(size=(2, 2, 3)) > 0.4
    for summary in (mean_over_positions, max_over_positions):
        flat = summary(features.reshape(2, 6, 4), mask.reshape(2, 6))
        np.testing.assert_array_equal(summary(features, mask), flat)
