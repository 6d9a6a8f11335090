"""Squeeze-and-excitation and CBAM: compared with a loop, masks, precision, saving."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import vision
from tests.support import backends

# An image without padding, one with padding right and below, and one that is all padding.
MASK = np.ones((3, 4, 5), bool)
MASK[1, 3:] = MASK[1, :, 3:] = False
MASK[2] = False


def dense(layer, x):
    kernel, bias = (np.asarray(variable, "float64") for variable in layer.weights)
    return x @ kernel + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def real(features, mask):
    found = [features[place] for place in np.ndindex(*mask.shape) if mask[place]]
    return found or [np.zeros(features.shape[-1])]


def mean(features, mask):
    seen = real(features, mask)
    return sum(seen) / len(seen)


def largest(features, mask):
    return np.array([max(column) for column in zip(*real(features, mask))])


# Each of these takes one image, and returns the output and the weights.


def channels(*summaries):
    def compute(layer, features, mask):
        total = 0.0
        for summary in summaries:
            hidden = np.maximum(dense(layer.squeeze, summary(features, mask)), 0)
            total = total + dense(layer.excite, hidden)
        weights = sigmoid(total)
        return features * mask[..., None] * weights, weights

    return compute


def places(layer, features, mask):
    kernel, bias = (np.asarray(v, "float64") for v in layer.convolution.weights)
    size, (height, width) = kernel.shape[0], mask.shape
    weights = np.zeros(mask.shape)
    for i, j in np.ndindex(height, width):
        total = bias[0]
        for k, m in np.ndindex(size, size):
            y, x = i + k - size // 2, j + m - size // 2
            if 0 <= y < height and 0 <= x < width and mask[y, x]:
                seen = features[y, x]
                total += sum(seen) / len(seen) * kernel[k, m, 0, 0] + max(seen) * kernel[k, m, 1, 0]
        weights[i, j] = sigmoid(total) * mask[i, j]
    return features * weights[..., None], weights


def cbam(layer, features, mask):
    features, of_channels = channels(mean, largest)(layer.channels, features, mask)
    features, of_places = places(layer.places, features, mask)
    return features, of_channels, of_places


LAYERS = {
    "squeeze_excitation": (lambda **o: vision.SqueezeExcitation(2, **o), channels(mean)),
    "channel_attention": (lambda **o: vision.ChannelAttention(3, **o), channels(mean, largest)),
    "spatial_attention": (lambda **o: vision.SpatialAttention(3, **o), places),
    "cbam": (lambda **o: vision.CBAM(2, 5, **o), cbam),
}


def table(test):
    return pytest.mark.parametrize("name", LAYERS)(test)


def built(name, dtype="float32", **options):
    layer = LAYERS[name][0](dtype=dtype, **options)
    layer.build((None, None, None, 6))
    rng = np.random.default_rng(2)
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def drawn(dtype="float32"):
    return np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype(dtype)


@table
def test_equals_a_loop(name):
    layer, features = built(name, "float64"), drawn("float64")
    found = layer(features, mask=MASK, return_attention_scores=True)
    for b in range(3):
        expected = LAYERS[name][1](layer, features[b], MASK[b])
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one[b], other, rtol=1e-9, atol=1e-12)
    everything = layer(features)
    for b in range(3):
        expected, *_ = LAYERS[name][1](layer, features[b], np.ones((4, 5), bool))
        np.testing.assert_allclose(everything[b], expected, rtol=1e-9, atol=1e-12)


@table
def test_masked_equals_sliced_and_extra_padding_changes_nothing(name):
    layer, features = built(name), drawn()
    found = layer(features, mask=MASK, return_attention_scores=True)
    sliced = layer(features[1:2, :3, :3])[0]
    np.testing.assert_allclose(found[0][1, :3, :3], sliced, rtol=1e-5, atol=1e-6)
    assert not np.asarray(found[0])[~MASK].any()
    padded = np.pad(features, [(0, 0), (0, 2), (0, 3), (0, 0)], constant_values=np.nan)
    padded[:, :4, :5][~MASK] = np.inf
    outputs = layer(padded, mask=np.pad(MASK, [(0, 0), (0, 2), (0, 3)]))
    np.testing.assert_allclose(outputs[:, :4, :5], found[0], rtol=1e-5, atol=1e-6)


@table
def test_gradients_equal_finite_differences(name):
    layer, features = built(name, "float64"), drawn("float64")
    rng, step = np.random.default_rng(4), 1e-6
    factors = rng.normal(size=features.shape)

    def loss(features):
        outputs = layer(features, mask=MASK)
        return keras.ops.sum(outputs * factors), outputs

    _, (gradient, *of_weights) = backends.differentiate(loss, [features], layer.trainable_variables)
    direction = rng.normal(size=features.shape)
    ahead, behind = (float(loss(features + s * direction)[0]) for s in (step, -step))
    expected = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6)
    assert not np.asarray(gradient)[~MASK].any()
    for variable, found in zip(layer.trainable_variables, of_weights):
        direction, before = rng.normal(size=variable.shape), np.asarray(variable)
        variable.assign(before + step * direction)
        ahead = float(loss(features)[0])
        variable.assign(before - step * direction)
        behind = float(loss(features)[0])
        variable.assign(before)
        expected = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(np.sum(found * direction), expected, rtol=1e-6, atol=1e-8)


# The largest relative rounding error of each dtype.
@table
@pytest.mark.parametrize("policy, rounding", [("float16", 2**-11), ("mixed_bfloat16", 2**-8)])
def test_half_precision_differs_by_rounding_alone(name, policy, rounding):
    layer, features = built(name, policy), 10 * drawn()
    outputs, *weights = layer(features, mask=MASK, return_attention_scores=True)
    exact, *exact_weights = built(name)(features, mask=MASK, return_attention_scores=True)
    for found in (outputs, *weights):
        assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
    error = np.abs(np.asarray(outputs, "float32") - exact)
    assert (error <= 10 * rounding * np.abs(features)).all()
    for found, expected in zip(weights, exact_weights, strict=True):
        np.testing.assert_allclose(np.asarray(found, "float32"), expected, atol=10 * rounding)


@pytest.mark.parametrize("name", ["squeeze_excitation", "channel_attention"])
def test_means_over_large_maps_do_not_overflow_in_half_precision(name):
    # The sum over the positions is 163,840, the largest float16 is 65,504.
    features, mask = np.full((1, 64, 64, 6), 40.0, "float32"), np.ones((1, 64, 64), bool)
    for given in (None, mask):
        found = built(name, "float16")(features, mask=given)
        np.testing.assert_allclose(found, built(name)(features, mask=given), atol=0.2)


@table
def test_the_implicit_mask_arrives_and_saving_keeps_everything(name, tmp_path):
    image = keras.Input((4, 5, 6))
    layer = built(name)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    outputs, *weights = layer(image, return_attention_scores=True)
    model = keras.Model(image, [outputs, *weights])
    assert [w.shape[1:] for w in weights] == [w.shape[1:] for w in model(drawn())[1:]]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for found, expected in zip(loaded(drawn()), layer(drawn(), return_attention_scores=True)):
        np.testing.assert_array_equal(found, expected)


def test_regions_without_height_and_width(rng):
    inputs = keras.Input((None, 6))
    masked = layers.Masking()(inputs)
    layer = vision.ChannelAttention(2)
    model = keras.Model(inputs, layer(masked))
    regions = rng.normal(size=(2, 5, 6))
    padded = np.pad(regions, [(0, 0), (0, 2), (0, 0)])
    np.testing.assert_allclose(model(padded)[:, :5], model(regions), rtol=1e-5)
    with pytest.raises(ValueError, match=r"features: expected a feature map \(batch, height"):
        vision.SpatialAttention()(regions)


def test_xla_equals_eager():
    layer, features = built("cbam"), drawn()
    compiled = backends.compiled(lambda tensors: layer(**tensors))
    found = compiled({"features": features, "mask": MASK})
    np.testing.assert_allclose(found, layer(features, mask=MASK), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vision.SqueezeExcitation(0), "ratio: expected a positive integer, received 0"),
        (lambda: vision.SpatialAttention(4), "kernel_size: expected an odd number, received 4"),
        (lambda: vision.CBAM(use_bias=1), "use_bias: expected True or False, received 1"),
        (
            lambda: vision.CBAM()(np.ones((1, 4, 4, 8)), mask=np.ones((1, 4))),
            "mask: expected one boolean per position of features",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError) as raised:
        make()
    assert message in str(raised.value)


def test_without_biases_there_are_none():
    layer = vision.CBAM(use_bias=False)
    layer.build((None, 4, 4, 8))
    assert len(layer.weights) == 3
