"""Checks of arguments beyond the messages in tests/layers/test_errors.py."""

import numpy as np
import pytest

from keras_attention._core import checks


@pytest.mark.parametrize(
    ("check", "given", "expected"),
    [
        (checks.check_positive, np.int64(8), 8),
        (checks.check_positive, 8, 8),
        (checks.check_rate, np.float32(0.1), 0.1),
        (checks.check_rate, 0, 0),
        (checks.check_number, np.float64(-0.5), -0.5),
        (checks.check_number, np.int32(3), 3),
        (checks.check_positive_number, np.float16(0.5), 0.5),
        (checks.check_flag, np.True_, True),
    ],
)
def test_numpy_numbers_become_plain_ones(check, given, expected):
    found = check("name", given)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (checks.check_positive, True),
        (checks.check_positive, np.True_),
        (checks.check_positive, 1.0),
        (checks.check_positive, np.float32(1)),
        (checks.check_positive, np.int64(0)),
        (checks.check_positive, None),
        (checks.check_rate, "0.1"),
        (checks.check_rate, np.float32(1)),
        (checks.check_rate, float("nan")),
        (checks.check_number, True),
        (checks.check_number, np.zeros(1)),
        (checks.check_positive_number, 0.0),
        (checks.check_flag, 1),
        (checks.check_flag, None),
    ],
)
def test_other_values_are_refused(check, given):
    with pytest.raises(ValueError, match=r"name: expected .*, received"):
        check("name", given)


def test_the_first_argument_may_be_a_plain_list_of_numbers():
    checks.check_call(([[1.0]], np.ones((1, 1))), {}, "query", "value")
    checks.check_call(([[1.0]],), {"value": np.ones((1, 1))}, "query", "value")
