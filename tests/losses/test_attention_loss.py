"""The losses over attention weights in a model: compiled in, or added by a layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention import LuongAttention, losses
from keras_attention.losses import AddAttentionLoss, AttentionLoss
from tests.losses.loops import (
    LINKS,
    LOSSES,
    SOURCE_MASK,
    TARGET_MASK,
)

# In a model: compiled in, or added by a layer.


NAMED = ["coverage", "guided", "doubly_stochastic", "entropy", "redundancy"]


@pytest.mark.parametrize("name", NAMED)
def test_compiled_in_the_labels_say_which_cells_are_real(name, weights):
    real = TARGET_MASK[:, :, None] & SOURCE_MASK[:, None]
    # The masks are read from the cells: an example without steps has no positions.
    expected = LOSSES[name][0](weights, TARGET_MASK, SOURCE_MASK)
    loss = AttentionLoss(name)
    np.testing.assert_allclose(loss(real, weights), expected, rtol=1e-10)
    maps = weights.reshape(4, 4, 1, 5), real.reshape(4, 4, 1, 5)
    np.testing.assert_allclose(loss(maps[1], maps[0]), expected, rtol=1e-10)


def test_compiled_in_with_options_and_row_weights(weights):
    real = TARGET_MASK[:, :, None] & SOURCE_MASK[:, None]
    per_example = np.array([1.0, 0.0, 3.0, 1.0])
    np.testing.assert_allclose(
        AttentionLoss("guided", sigma=0.5)(real, weights, per_example),
        losses.guided_attention_loss(weights, TARGET_MASK, SOURCE_MASK, 0.5, per_example),
        rtol=1e-10,
    )
    links = LINKS[:, :4, :5]
    np.testing.assert_allclose(
        AttentionLoss("alignment", kind="mse")(links, weights),
        losses.alignment_loss(weights, links, kind="mse"),
        rtol=1e-10,
    )


def ids(mask):
    return np.where(mask, np.arange(mask.size).reshape(mask.shape) % 7 + 1, 0)


def two_sequences(size=4):
    """Inputs of ids, and both embedded with the mask of their padding."""
    inputs = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    embedded = [layers.Embedding(9, size, mask_zero=True)(one) for one in inputs]
    return inputs, embedded


# What a decoder hands over: steps and positions that are real, and padding behind.
STEPS, POSITIONS = (
    np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], bool),
    np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], bool),
)


@pytest.mark.parametrize("name", NAMED)
def test_a_layer_adds_the_loss_with_the_masks_that_its_tensors_carry(name, tmp_path):
    inputs, (query, value) = two_sequences()
    _, weights = LuongAttention()(query, value, return_attention_scores=True)
    outputs = AddAttentionLoss(name, factor=-0.5)(weights, query, value)
    model = keras.Model(inputs, [weights, outputs])
    given = [ids(STEPS), ids(POSITIONS)]
    found, passed = model(given)
    np.testing.assert_array_equal(passed, found)
    expected = -0.5 * LOSSES[name][0](found, STEPS, POSITIONS)
    (added,) = model.losses
    np.testing.assert_allclose(added, expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    loaded(given)
    np.testing.assert_allclose(loaded.losses[0], added, rtol=1e-6)


def test_an_added_loss_is_trained_by_fit():
    inputs, (query, value) = two_sequences()
    _, weights = LuongAttention()(query, value, return_attention_scores=True)
    outputs = AddAttentionLoss("guided", options={"sigma": 0.3})(weights, query, value)
    model = keras.Model(inputs, outputs)
    model.compile("adam", run_eagerly=True)
    given = [ids(STEPS), ids(POSITIONS)]
    model.optimizer.learning_rate = 0.1
    history = model.fit(given, epochs=20, batch_size=3, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    expected = losses.guided_attention_loss(model(given), STEPS, POSITIONS, sigma=0.3)
    np.testing.assert_allclose(model.evaluate(given, verbose=0), expected, rtol=1e-5)


def test_alignments_are_an_input_of_the_layer():
    inputs, (query, value) = two_sequences()
    links = keras.Input((None, None))
    _, weights = LuongAttention()(query, value, return_attention_scores=True)
    outputs = AddAttentionLoss("alignment", options={"kind": "mse"})(weights, query, value, links)
    model = keras.Model([*inputs, links], outputs)
    given = np.eye(3, 4)[None].repeat(3, axis=0)
    found = model([ids(STEPS), ids(POSITIONS), given])
    expected = losses.alignment_loss(found, given, STEPS, POSITIONS, kind="mse")
    np.testing.assert_allclose(model.losses[0], expected, rtol=1e-5)


def test_one_model_with_a_loss_on_ids_and_one_on_weights():
    inputs, (query, value) = two_sequences()
    context, weights = LuongAttention()(query, value, return_attention_scores=True)
    logits = layers.Dense(9, name="logits")(context)
    weights = layers.Identity(name="weights")(weights)
    model = keras.Model(inputs, {"logits": logits, "weights": weights})
    model.compile(
        "adam",
        {"logits": losses.SequenceCrossentropy(), "weights": AttentionLoss("coverage")},
        loss_weights={"logits": 1.0, "weights": 0.5},
    )
    given = [ids(STEPS), ids(POSITIONS)]
    labels = {"logits": ids(STEPS), "weights": STEPS[:, :, None] & POSITIONS[:, None]}
    found = model.evaluate(given, labels, batch_size=3, verbose=0, return_dict=True)
    outputs = model(given)
    ids_loss = losses.SequenceCrossentropy()(labels["logits"], outputs["logits"])
    repeated = losses.coverage_loss(outputs["weights"], STEPS, POSITIONS)
    np.testing.assert_allclose(found["loss"], ids_loss + 0.5 * repeated, rtol=1e-5)


def test_the_layer_keeps_half_precision_weights_as_they_are(weights):
    layer = AddAttentionLoss("entropy", dtype="mixed_float16")
    given = tf.constant(weights, tf.float64)
    assert layer(given).dtype == given.dtype
    half = layer(tf.cast(given, tf.float16))
    assert half.dtype == tf.float16 and layer.losses[0].dtype == tf.float32


@keras.saving.register_keras_serializable(package="tests")
def of_ones_own(weights, target_mask=None, source_mask=None, scale=1.0):
    return scale * tf.reduce_sum(weights)


@pytest.mark.parametrize("loss", ["guided", of_ones_own])
def test_config_round_trips(loss, weights):
    options = {"sigma": 0.4} if loss == "guided" else {"scale": 2.0}
    compiled = AttentionLoss(loss, name="mine", **options)
    again = keras.losses.deserialize(keras.losses.serialize(compiled))
    assert again.get_config() == compiled.get_config()
    layer = AddAttentionLoss(loss, factor=0.5, options=options)
    other = AddAttentionLoss.from_config(layer.get_config())
    assert other.get_config() == layer.get_config()
    if loss == "guided":
        np.testing.assert_array_equal(again(weights, weights), compiled(weights, weights))
    layer(weights), other(weights)
    np.testing.assert_array_equal(other.losses[0], layer.losses[0])


def test_replicas_share_a_compiled_loss(weights, monkeypatch):
    class Pair:
        num_replicas_in_sync = 2

    loss = AttentionLoss("entropy")
    whole = loss(np.ones_like(weights), weights)
    monkeypatch.setattr(tf.distribute, "get_strategy", Pair)
    np.testing.assert_allclose(2 * loss(np.ones_like(weights), weights), whole, rtol=1e-6)
