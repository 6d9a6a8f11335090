"""Attention maps as brightness."""

import numpy as np
import pytest

from keras_attention.plots import overlay

pytest.importorskip("matplotlib")


def test_brightness_is_the_mean_of_the_weights_by_their_distance(rng):
    weights, size, smooth = rng.random((2, 3, 4)), (6, 12), 0.6
    expected = np.zeros((2, *size))
    for i, y, x in np.ndindex(expected.shape):
        total = 0.0
        for row, column in np.ndindex(3, 4):
            down = (y + 0.5) * 3 / 6 - (row + 0.5)
            across = (x + 0.5) * 4 / 12 - (column + 0.5)
            count = np.exp(-(down**2 + across**2) / (2 * smooth**2))
            expected[i, y, x] += count * weights[i, row, column]
            total += count
        expected[i, y, x] /= total
    found = overlay.brightness_of(weights, size, smooth, vmax=1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    largest = expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(overlay.brightness_of(weights, size, smooth), expected / largest)


@pytest.mark.parametrize("smooth", [0, 0.02, 0.75, 3])
def test_uniform_attention_is_uniform_brightness(smooth):
    np.testing.assert_allclose(
        overlay.brightness_of(np.full((1, 7, 5), 1 / 35), (20, 31), smooth), 1.0
    )


@pytest.mark.parametrize("cell", [(0, 0), (2, 3), (5, 7)])
def test_a_peak_stays_where_it_is(cell):
    weights = np.zeros((1, 6, 8))
    weights[(0, *cell)] = 1.0
    light = overlay.brightness_of(weights, (48, 64))[0]
    y, x = overlay.peak(light, (48, 64))
    assert (int(y) // 8, int(x) // 8) == cell
    assert overlay.peak(weights[0], (48, 64)) == (8 * cell[0] + 4, 8 * cell[1] + 4)


def test_cells_are_drawn_as_they_are_without_smoothing():
    weights = np.array([[[0.2, 0.8], [0.4, 0.0]]])
    expected = np.kron(weights[0], np.ones((3, 2))) / 0.8
    np.testing.assert_allclose(overlay.brightness_of(weights, (6, 4), smooth=0)[0], expected)
