"""The loss of hard attention, and its baseline."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention import Attention, losses, normalizers
from tests.losses.loops import (
    TARGET_MASK,
)

# Hard attention.


def sampled(scores, choices):
    """Weights as a score-function sample makes them: one-hot, with the gradient of log p."""
    log_p = tf.nn.log_softmax(scores)
    one_hot = tf.one_hot(choices, scores.shape[-1], dtype=scores.dtype)
    return one_hot * tf.exp(log_p - tf.stop_gradient(log_p))


def test_hard_attention_is_the_gradient_of_the_expected_reward(rng):
    # Exactly, by going through all samples of two steps over three positions.
    scores = tf.constant(rng.normal(size=(1, 2, 3)))
    rewards = rng.normal(size=(3, 3))
    total = np.zeros((1, 2, 3))
    for i in range(3):
        for j in range(3):
            with tf.GradientTape() as tape:
                tape.watch(scores)
                weights = sampled(scores, [[i, j]])
                loss = losses.hard_attention_loss(weights, rewards[None, i, j], baseline=0.7)
            assert float(loss) == 0
            p = tf.nn.softmax(scores)
            total += tape.gradient(loss, scores) * p[0, 0, i] * p[0, 1, j]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        p = tf.nn.softmax(scores)
        expected = tf.einsum("i,j,ij->", p[0, 0], p[0, 1], tf.constant(rewards))
    np.testing.assert_allclose(total, -tape.gradient(expected, scores), rtol=1e-9, atol=1e-12)


def test_what_a_hard_attention_samples_carries_the_gradient(rng):
    sample = normalizers.HardSample(estimator="score_function", seed=3)
    attention = Attention("dot", normalizer=sample)
    query, value = tf.constant(rng.normal(size=(2, 3, 4))), tf.constant(rng.normal(size=(2, 5, 4)))
    query, value = (tf.cast(tensor, tf.float32) for tensor in (query, value))
    mask = np.array([[1, 1, 1, 0, 1], [1, 1, 0, 0, 0]], bool)
    rewards = np.array([2.0, -1.0], "float32")
    with tf.GradientTape() as tape:
        tape.watch(query)
        _, weights = attention(
            query, value, value_mask=mask, return_attention_scores=True, training=True
        )
        loss = losses.hard_attention_loss(weights, rewards, baseline=0.5)
    choices = np.argmax(weights, axis=-1)
    assert np.all(np.take_along_axis(mask, choices, axis=1))
    with tf.GradientTape() as other:
        other.watch(query)
        scores = tf.where(mask[:, None], tf.matmul(query, value, transpose_b=True), -1e30)
        log_p = tf.gather(tf.nn.log_softmax(scores), choices, batch_dims=2)
        expected = -tf.reduce_sum((rewards - 0.5)[:, None] * log_p) / 2
    found, expected = tape.gradient(loss, query), other.gradient(expected, query)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("by_step", [False, True])
def test_hard_attention_equals_a_loop_and_ignores_padding(by_step, rng):
    weights = rng.uniform(size=(4, 4, 5))
    rewards = rng.normal(size=(4, 4) if by_step else 4)
    expected = np.zeros((4, 4, 5))
    for b in range(3):
        for t in range(4):
            if TARGET_MASK[b, t]:
                expected[b, t] = -((rewards[b, t] if by_step else rewards[b]) - 0.3) / 3

    def gradient(weights, rewards, mask):
        tensor = tf.constant(weights)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = losses.hard_attention_loss(tensor, rewards, 0.3, mask)
        return tape.gradient(loss, tensor)

    np.testing.assert_allclose(gradient(weights, rewards, TARGET_MASK), expected, rtol=1e-9)
    spoiled = np.where(TARGET_MASK[:, :, None], weights, np.nan)
    real = TARGET_MASK if by_step else TARGET_MASK.any(axis=1)
    found = gradient(spoiled, np.where(real, rewards, np.inf), TARGET_MASK)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert not np.any(gradient(spoiled, rewards, np.zeros_like(TARGET_MASK)))


def test_the_rewards_get_no_gradient(weights):
    rewards = tf.constant([1.0, 2.0, 3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(rewards)
        loss = losses.hard_attention_loss(weights, rewards)
    assert tape.gradient(loss, rewards) is None


def test_the_baseline_follows_the_rewards_of_training():
    baseline, value = losses.MovingBaseline(decay=0.8), 0.0
    for rewards in ([1.0, 5.0, np.nan], [-2.0, 0.0, np.nan], [0.5, 0.5, np.nan]):
        found = baseline(np.array(rewards), mask=np.array([1, 1, 0], bool), training=True)
        np.testing.assert_allclose(found, value, rtol=1e-6)
        value = 0.8 * value + 0.2 * np.mean(rewards[:2])
    baseline(np.array([9.0]))
    baseline(np.array([9.0]), mask=np.array([False]), training=True)
    np.testing.assert_allclose(baseline.average, value, rtol=1e-6)


@pytest.mark.parametrize("by_step", [False, True])
def test_a_layer_adds_the_hard_loss_and_moves_its_baseline(by_step, tmp_path):
    ids_in = keras.Input((None,), dtype="int32")
    steps = layers.Embedding(9, 4, mask_zero=True)(ids_in)
    rewards = keras.Input((None,) if by_step else ())
    weights = layers.Dense(5, activation="softmax")(steps)
    outputs = losses.AddHardAttentionLoss(factor=2.0, name="hard")(weights, rewards, steps)
    model = keras.Model([ids_in, rewards], outputs)
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], bool)
    given = np.where(mask, 2.0, np.nan) if by_step else np.full(3, 2.0)
    tokens = tf.constant(mask.astype("int32"))
    with tf.GradientTape() as tape:
        found = model([tokens, tf.constant(given, tf.float32)], training=True)
        loss = model.losses[0]
    assert found.shape == (3, 3, 5) and float(loss) == 0
    hard = model.get_layer("hard")
    np.testing.assert_allclose(hard.baseline.average, 0.2, rtol=1e-6)
    assert np.all(np.isfinite(tape.gradient(loss, model.trainable_weights[-1])))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    hard = loaded.get_layer("hard")
    np.testing.assert_allclose(hard.baseline.average, 0.2, rtol=1e-6)
    assert hard.get_config() == model.get_layer("hard").get_config()


def test_hard_attention_learns_where_the_reward_is():
    # Four positions, one of which pays: a REINFORCE that works finds it.
    scores = keras.Variable(np.zeros((1, 1, 4), "float32"))
    layer, draws = losses.AddHardAttentionLoss(), np.random.default_rng(0)
    optimizer = keras.optimizers.SGD(1.0)
    for _ in range(40):
        p = np.exp(scores.numpy()[0, 0])
        choices = draws.choice(4, size=(8, 1), p=p / p.sum())
        with tf.GradientTape() as tape:
            weights = sampled(tf.repeat(scores.value, 8, axis=0), choices)
            layer(weights, (choices[:, 0] == 2).astype("float32"), training=True)
            loss = layer.losses[0]
        optimizer.apply([tape.gradient(loss, scores.value)], [scores])
    assert keras.ops.softmax(scores.value)[0, 0, 2] > 0.9


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float64"])
def test_the_baseline_announces_the_dtype_that_it_gives(policy):
    baseline = losses.MovingBaseline(dtype=policy)
    expected = "float64" if policy == "float64" else "float32"
    announced = baseline(keras.KerasTensor((3,), dtype="float32"))
    assert announced.shape == () and announced.dtype == expected
    found = baseline(np.ones(3, "float32"))
    assert keras.backend.standardize_dtype(found.dtype) == expected
