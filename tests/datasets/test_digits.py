"""Handwritten digits, and larger images that contain one."""

import numpy as np
import pytest

from keras_attention.datasets import Digits, PlacedDigitBatches, load_digits, place_digits


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return load_digits()


@pytest.fixture
def made(rng):
    """Digits without white pixels, each with different values."""
    return Digits(rng.uniform(0.1, 1, size=(6, 8, 8)).astype("float32"), np.arange(6))


def test_the_splits_are_the_file_in_its_order(digits):
    sklearn = pytest.importorskip("sklearn.datasets").load_digits()
    images = np.concatenate([split.images for split in digits.values()])
    np.testing.assert_allclose(16 * images, sklearn.images)
    labels = np.concatenate([split.labels for split in digits.values()])
    np.testing.assert_array_equal(labels, sklearn.target)
    assert all(set(split.labels) == set(range(10)) for split in digits.values())


def test_without_clutter_there_is_the_digit_and_nothing_else(made):
    placed = place_digits(made, size=20, pieces=0, seed=3)
    for image, (row, column), digit in zip(placed.images[..., 0], placed.corners, made.images):
        np.testing.assert_array_equal(image[row : row + 8, column : column + 8], digit)
        assert np.count_nonzero(image) == 64
    np.testing.assert_array_equal(placed.labels, made.labels)


def test_clutter_is_cut_out_of_the_digits_and_hides_none(made):
    placed = place_digits(made, size=40, pieces=3, seed=3)
    known = set(made.images.ravel().tolist()) | {0.0}
    for image, (row, column), digit in zip(placed.images[..., 0], placed.corners, made.images):
        assert set(image.ravel().tolist()) <= known
        assert (image[row : row + 8, column : column + 8] >= digit).all()
        assert 64 < np.count_nonzero(image) <= 64 + 3 * 16


def test_every_location_occurs(made):
    many = Digits(made.images.repeat(200, 0), made.labels.repeat(200))
    corners = place_digits(many, size=10, pieces=0).corners
    assert {tuple(corner) for corner in corners.tolist()} == set(np.ndindex(3, 3))


def test_the_seed_determines_the_images(made):
    one, same, other = (place_digits(made, 32, 4, seed).images for seed in ([1, 2], [1, 2], 5))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_every_epoch_has_other_locations(made):
    batches = PlacedDigitBatches(made, batch_size=5, size=16, pieces=1, copies=2, seed=1)
    assert len(batches) == 2
    first = [batches[i] for i in range(2)]
    np.testing.assert_array_equal(first[1][0], batches[1][0])
    assert all(images.shape == (5, 16, 16, 1) for images, _ in first)
    batches.on_epoch_end()
    assert (batches[0][0] != first[0][0]).any()
    again = PlacedDigitBatches(made, batch_size=5, size=16, pieces=1, copies=2, seed=1)
    again.on_epoch_end()
    np.testing.assert_array_equal(again[0][0], batches[0][0])


def test_the_same_digit_is_elsewhere_in_the_next_epoch(made):
    batches = PlacedDigitBatches(made, batch_size=6, size=24, pieces=0)
    (first, labels), _ = batches[0], batches.on_epoch_end()
    again, others = batches[0]
    assert (first[labels.argsort()] != again[others.argsort()]).any(axis=(1, 2, 3)).all()
    # The locations of an epoch are not merely permuted either.
    assert ((first > 0) != (again > 0)).any()


def test_batches_pair_images_with_their_labels(made):
    images, labels = PlacedDigitBatches(made, batch_size=6, size=8, pieces=0)[0]
    np.testing.assert_array_equal(images[..., 0], made.images[labels])
    assert sorted(labels) == list(range(6))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": 7}, "size: expected an integer of at least 8, received 7"),
        ({"pieces": -1}, "pieces: expected an integer of at least 0, received -1"),
    ],
)
def test_wrong_options_are_refused(options, message, made):
    with pytest.raises(ValueError, match=message):
        place_digits(made, **options)


def test_a_batch_larger_than_an_epoch_is_refused(made):
    with pytest.raises(ValueError, match="batch_size: expected at most the 6 digits"):
        PlacedDigitBatches(made, batch_size=7)
    with pytest.raises(IndexError):
        PlacedDigitBatches(made, batch_size=6)[1]
