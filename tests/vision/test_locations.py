"""Location policies: samples, log-probabilities and their gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import vision
from keras_attention.losses import hard_attention_loss


def gaussian(dtype="float64", std=0.3):
    policy = vision.GaussianLocations(std, seed=1, dtype=dtype)
    policy.build((None, 3))
    policy.mean.set_weights([np.array([[0.2, -0.5], [1.0, 0.3], [-0.4, 0.1]]), np.array([0.1, 0])])
    return policy


def density(policy, state, location):
    kernel, bias = policy.mean.get_weights()
    mean = np.tanh(state @ kernel + bias)
    std = float(policy.std)
    squares = ((location - mean) / std) ** 2
    return -0.5 * squares.sum(-1) - np.log(2 * np.pi * std**2)


def test_the_log_probability_is_that_of_the_location_as_sampled(rng):
    policy, state = gaussian(), rng.normal(size=(4, 3))
    # Far enough to be outside of the image.
    noise = 10 * rng.normal(size=(4, 2))
    location, log_prob = policy(state, noise)
    assert np.abs(location).max() > 1
    np.testing.assert_allclose(log_prob, density(policy, state, np.asarray(location)), rtol=1e-9)


def test_without_noise_it_is_the_mean_and_noise_is_for_training():
    policy, state = gaussian(), np.ones((1, 3))
    kernel, bias = policy.mean.get_weights()
    np.testing.assert_allclose(policy(state)[0], np.tanh(state @ kernel + bias))
    assert policy.noise((5, 2)) is None
    drawn = np.asarray(policy.noise((2000, 2), training=True))
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [0, 1], atol=0.05)


def test_before_training_the_mean_is_the_center(rng):
    location, _ = vision.GaussianLocations()(rng.normal(size=(3, 5)))
    np.testing.assert_array_equal(location, np.zeros((3, 2)))


def test_the_score_function_climbs_the_expected_reward():
    tf = pytest.importorskip("tensorflow")
    policy, count = gaussian(std=0.2), 40_000
    target = np.array([0.7, -0.4])
    states = np.broadcast_to([[0.5, -0.2, 0.3]], (count, 3))
    noise = np.random.default_rng(3).normal(size=(count, 2))
    with tf.GradientTape() as tape:
        location, log_prob = policy(states, noise)
        rewards = -ops.sum(ops.square(location - target), axis=-1)
        baseline = ops.mean(rewards)
        loss = hard_attention_loss(ops.reshape(log_prob, (-1, 1, 1)), rewards, baseline)
    found = tape.gradient(loss, policy.mean.bias)
    # E[reward] = -(mean - target)^2 - 2 std^2; the loss is its negative.
    kernel, bias = policy.mean.get_weights()
    mean = np.tanh(states[0] @ kernel + bias)
    expected = 2 * (mean - target) * (1 - mean**2)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_deviation_can_be_changed_and_is_saved(tmp_path):
    inputs = keras.Input((3,))
    policy = gaussian("float32")
    model = keras.Model(inputs, policy(inputs, np.ones((1, 2), "float32")))
    policy.std.assign(0.01)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(loaded(np.ones((1, 3))), model(np.ones((1, 3)))):
        np.testing.assert_array_equal(one, other)
    mean, _ = policy(np.ones((1, 3)))
    np.testing.assert_allclose(model(np.ones((1, 3)))[0] - mean, [[0.01, 0.01]], rtol=1e-3)


def test_uniform_locations_cover_the_image_in_inference_too():
    policy = vision.UniformLocations(seed=2)
    noise = policy.noise((4000, 2))
    location, log_prob = policy(np.ones((4000, 3)), noise)
    found = np.asarray(location)
    assert np.abs(found).max() <= 1
    np.testing.assert_allclose(found.mean(0), [0, 0], atol=0.05)
    np.testing.assert_allclose(found.std(0), np.sqrt([1 / 3, 1 / 3]), atol=0.02)
    np.testing.assert_allclose(log_prob, np.log(0.25), rtol=1e-6)


@pytest.mark.parametrize(
    "policy", [vision.GaussianLocations(0.3, seed=4), vision.UniformLocations(5)]
)
def test_config(policy):
    again = type(policy).from_config(policy.get_config())
    assert again.get_config() == policy.get_config()
    np.testing.assert_array_equal(again.noise((3, 2), True), policy.noise((3, 2), True))


def test_half_precision_has_locations_in_float32():
    location, log_prob = gaussian("mixed_float16")(np.ones((2, 3), "float16"), np.ones((2, 2)))
    for found in (location, log_prob):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="std: expected a number above 0, received 0"):
        vision.GaussianLocations(0)
    with pytest.raises(ValueError, match=r"state: expected .batch, features."):
        gaussian()(np.ones((2, 1, 3)))
