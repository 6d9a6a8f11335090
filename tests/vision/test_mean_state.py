"""MeanState: the initial state of a decoder."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import AttentionRNN, vision

# A masked position inside an image, and an image that is all padding.
MASK = np.array([[[1, 1, 1], [1, 0, 0]], [[1, 1, 1], [1, 1, 1]], [[0, 0, 0], [0, 0, 0]]], bool)


def built(dtype="float64", **options):
    layer = vision.MeanState([4, 3], dtype=dtype, **options)
    layer.build((None, None, None, 5))
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def dense(layer, x):
    kernel, bias = (np.asarray(variable, "float64") for variable in layer.weights)
    return x @ kernel + bias


@pytest.mark.parametrize("hidden", [None, 6])
def test_equals_a_loop(hidden, rng):
    features, layer = rng.normal(size=(3, 2, 3, 5)), built(hidden=hidden)
    states = layer(features, mask=MASK)
    assert len(states) == 2
    for b in range(3):
        seen = [features[b, i, j] for i, j in np.ndindex(2, 3) if MASK[b, i, j]]
        mean = sum(seen) / len(seen) if seen else np.zeros(5)
        if hidden:
            mean = np.maximum(dense(layer.hidden_layer, mean), 0)
        for state, its_layer in zip(states, layer.state_layers):
            np.testing.assert_allclose(state[b], np.tanh(dense(its_layer, mean)), rtol=1e-9)


def test_padding_changes_nothing_whatever_stands_in_it(rng):
    features, layer = rng.normal(size=(3, 6, 5)), built()
    mask = MASK.reshape(3, 6)
    expected = layer(features, mask=mask)
    features[~mask] = np.nan
    for found, state in zip(layer(features, mask=mask), expected):
        np.testing.assert_array_equal(found, state)


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_large_features_stay_finite_in_half_precision(policy, rng):
    # The sum of 900 of these overflows float16.
    features = 100 + rng.normal(size=(2, 30, 30, 5))
    exact, layer = built("float32"), built(policy)
    for half, full in zip(layer(features), exact(features)):
        assert keras.backend.standardize_dtype(half.dtype) == layer.compute_dtype
        np.testing.assert_allclose(np.asarray(half, "float32"), full, atol=0.05)


def test_a_decoder_starts_with_it_and_the_implicit_mask_arrives(tmp_path, rng):
    cell = layers.LSTMCell(4)
    regions, words = keras.Input((None, 5)), keras.Input((None, 3))
    masked = layers.Masking()(regions)
    states = vision.MeanState(cell.state_size, hidden=3)(masked)
    attention = vision.GatedAttention("additive")
    outputs = AttentionRNN(cell, attention, attend="before")(words, masked, initial_state=states)
    model = keras.Model([words, regions], outputs)
    given = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 6, 5))
    padded = np.pad(given[1], [(0, 0), (0, 3), (0, 0)])
    np.testing.assert_allclose(model([given[0], padded]), model(given), rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(given), model(given))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": []}, "sizes: expected one positive integer or more, received []"),
        ({"sizes": [4, 0]}, "sizes: expected a positive integer, received 0"),
        ({"sizes": 4, "hidden": 1.5}, "hidden: expected a positive integer, received 1.5"),
    ],
)
def test_wrong_sizes_are_refused(options, message):
    with pytest.raises(ValueError) as raised:
        vision.MeanState(**options)
    assert message in str(raised.value)


def test_wrong_features_and_masks_are_refused():
    layer = vision.MeanState(4)
    with pytest.raises(ValueError, match=r"features: expected .* received shape \(2, 5\)"):
        layer(np.ones((2, 5)))
    with pytest.raises(ValueError, match="mask: expected one boolean per position"):
        layer(np.ones((2, 2, 3, 5)), mask=np.ones((2, 3)))
    layer(np.ones((2, 2, 3, 5)))
    with pytest.raises(ValueError, match="features: expected the 5 features"):
        layer(np.ones((2, 2, 3, 6)))
