"""Arrays as 8-bit integers with scales."""

import numpy as np
import pytest

from keras_attention.export.precision.rounding import rounded


@pytest.mark.parametrize(("axis", "shape"), [(0, (5, 1)), (-1, (1, 7))])
def test_every_number_is_within_half_a_scale(axis, shape):
    array = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    integers, scales = rounded(array, axis)
    assert (integers.dtype, scales.dtype, scales.shape) == ("uint8", "float32", shape)
    again = (integers.astype("float32") - 128) * scales
    assert np.all(np.abs(again - array) <= 0.5001 * scales)


def test_a_slice_of_zeros_stays_so():
    integers, scales = rounded(np.zeros((2, 3), "float32"), 0)
    assert np.all(integers == 128) and np.all(scales == 1)
