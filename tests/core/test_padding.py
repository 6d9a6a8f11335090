"""Padding of lists of ids."""

from keras_attention._core.padding import pad


def test_pad_of_nothing_is_one_column():
    assert pad([[], []]).tolist() == [[0], [0]]


def test_a_given_length_is_kept():
    assert pad([[4, 5], [6]], 3).tolist() == [[4, 5, 0], [6, 0, 0]]
    assert pad([[4, 5], []]).dtype == "int32"
