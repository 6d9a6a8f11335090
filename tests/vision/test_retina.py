"""Retina: patches at several scales around any location."""

import pathlib

import keras
import numpy as np
import pytest

from keras_attention import vision


def overlap(start, end, pixel):
    return max(0.0, min(end, pixel + 1) - max(start, pixel))


def cut_out(image, location, size, scales, growth):
    """Cell by cell and pixel by pixel; the edges of pixels have integer coordinates."""
    height, width, channels = image.shape
    middle = [(p + 1) / 2 * side for p, side in zip(location, (height, width))]
    patches = np.zeros((scales, size, size, channels))
    for s, i, j in np.ndindex(scales, size, size):
        cell = growth**s
        top, left = (m + (n - size / 2) * cell for m, n in zip(middle, (i, j)))
        for k, m in np.ndindex(height, width):
            area = overlap(top, top + cell, k) * overlap(left, left + cell, m)
            patches[s, i, j] += area / cell**2 * image[k, m]
    return patches


@pytest.mark.parametrize("size, scales, growth", [(3, 3, 2.0), (4, 2, 1.5), (1, 2, 3.0)])
def test_equals_a_loop(size, scales, growth, rng):
    images = rng.normal(size=(5, 6, 9, 2))
    # Inside, on edges and corners, and outside.
    locations = np.array([[0.1, -0.37], [-1, 0.5], [1, 1], [0, 0], [-1.4, 0.9]])
    retina = vision.Retina(size, scales, growth, dtype="float64")
    found = retina(images, locations)
    expected = [cut_out(i, p, size, scales, growth) for i, p in zip(images, locations)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_location_on_the_grid_is_a_plain_crop(rng):
    images = rng.normal(size=(1, 8, 8, 1)).astype("float32")
    # Rows 1 to 4, columns 3 to 6: their center is at 3 and 5 of 8 pixels.
    location = np.array([[2 * 3 / 8 - 1, 2 * 5 / 8 - 1]], "float32")
    found = vision.Retina(4, 1)(images, location)
    np.testing.assert_allclose(found[0, 0], images[0, 1:5, 3:7], rtol=1e-6)


def test_a_location_is_the_same_at_every_resolution(rng):
    small = rng.normal(size=(2, 6, 6, 1))
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    locations = rng.uniform(-1, 1, size=(2, 2))
    retina = vision.Retina(3, 2, growth=2.0, dtype="float64")
    # A cell of scale 1 of the large image is as wide as one of scale 0 of the small one.
    np.testing.assert_allclose(retina(large, locations)[:, 1], retina(small, locations)[:, 0])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_locations_are_not_rounded_in_half_precision(policy, rng):
    images = rng.integers(0, 2, size=(2, 64, 64, 1)).astype("float32")
    locations = rng.uniform(-1, 1, size=(2, 2)).astype("float32")
    found = vision.Retina(4, 2, dtype=policy)(images, locations)
    exact = vision.Retina(4, 2)(images, locations)
    np.testing.assert_allclose(np.asarray(found, "float32"), exact, atol=0.02)


def test_in_a_functional_model_of_any_size(tmp_path, rng):
    images, locations = keras.Input((None, None, 3)), keras.Input((2,))
    model = keras.Model([images, locations], vision.Retina(4, 2, 1.5)(images, locations))
    assert model.output_shape == (None, 2, 4, 4, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for side in (5, 9):
        given = [rng.normal(size=(2, side, side, 3)), rng.uniform(size=(2, 2))]
        np.testing.assert_array_equal(loaded(given), model(given))


def test_a_saved_model_that_calls_layers_by_their_old_argument_names_loads():
    folder = pathlib.Path(__file__).parents[1] / "fixtures"
    model = keras.models.load_model(folder / "glimpses_called_by_name.keras")
    saved = np.load(folder / "glimpses_called_by_name.npz")
    for i, output in enumerate(model(saved["images"])):
        np.testing.assert_allclose(output, saved[f"output_{i}"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": 0}, "size: expected a positive integer, received 0"),
        ({"scales": 2.0}, "scales: expected a positive integer, received 2.0"),
        ({"growth": 0}, "growth: expected a number above 0, received 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        vision.Retina(**options)


def test_wrong_input_is_refused():
    retina = vision.Retina()
    with pytest.raises(ValueError, match=r"images: expected .batch, height, width, channels."):
        retina(np.ones((2, 8, 8)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="locations: expected a row and a column per image"):
        retina(np.ones((2, 8, 8, 1)), np.ones((2, 3)))
