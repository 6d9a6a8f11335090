"""Ids that a vocabulary does not have become unknown."""

import numpy as np
import pytest

from keras_attention.text import SpecialIds
from keras_attention.text.known_ids import known_ids


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_ids_outside_are_unknown_and_the_others_stay(dtype):
    ids = np.array([[0, 1, 9, 10], [-1, -(2**31), 2**30, 5]], dtype)
    found = known_ids(ids, 10, SpecialIds())
    assert str(np.asarray(found).dtype) == dtype
    assert np.asarray(found).tolist() == [[0, 1, 9, 3], [3, 3, 3, 5]]


@pytest.mark.parametrize(
    ("special", "expected"),
    [(SpecialIds(7, 0, 1, 2), 2), (SpecialIds(7, 0, 1, None), 7), (SpecialIds(0, 1, 2, 30), 0)],
)
def test_without_an_unknown_id_they_are_padding(special, expected):
    assert np.asarray(known_ids([8, -8, 6], 8, special)).tolist() == [expected, expected, 6]


def test_where_the_number_of_ids_is_not_known_they_stay():
    assert np.asarray(known_ids([8, -8], None, SpecialIds())).tolist() == [8, -8]
