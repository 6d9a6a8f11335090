"""The losses over attention weights: each against a loop, and that padding plays no part."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention import Attention, LuongAttention, losses, normalizers
from keras_attention.losses import AddAttentionLoss, AttentionLoss

# With holes, and a row of which nothing is real.
TARGET_MASK = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]], bool)
SOURCE_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [0, 1, 0, 0, 1], [1, 1, 1, 0, 0]], bool)


def draw(rng, target_mask=TARGET_MASK, source_mask=SOURCE_MASK):
    """Weights that sum to 1 over the real positions."""
    scores = np.exp(rng.normal(size=(*target_mask.shape, source_mask.shape[1])))
    scores = scores * target_mask[:, :, None] * source_mask[:, None]
    return scores / np.maximum(scores.sum(axis=-1, keepdims=True), 1e-9)


@pytest.fixture
def weights(rng):
    return draw(rng)


# The loops see one row without padding, as a list of steps.


def coverage(steps):
    seen, total = [0.0] * len(steps[0]), 0.0
    for weights in steps:
        total += sum(min(a, c) for a, c in zip(weights, seen))
        seen = [c + a for c, a in zip(seen, weights)]
    return total / len(steps)


def guided(steps, sigma=0.2):
    total, count = 0.0, 0
    for t, weights in enumerate(steps):
        for j, a in enumerate(weights):
            off = j / len(weights) - t / len(steps)
            total += a * (1 - np.exp(-(off**2) / (2 * sigma**2)))
            count += 1
    return total / count


def doubly_stochastic(steps):
    return sum((1 - sum(column)) ** 2 for column in zip(*steps))


def entropy(steps):
    total = 0.0
    for weights in steps:
        total -= sum(a * np.log(a) for a in weights if a > 0)
    return total / len(steps)


def redundancy(steps):
    total = 0.0
    for i, one in enumerate(steps):
        for j, other in enumerate(steps):
            total += (sum(a * b for a, b in zip(one, other)) - (i == j)) ** 2
    return total


LOSSES = {
    "coverage": (losses.coverage_loss, coverage),
    "guided": (losses.guided_attention_loss, guided),
    "doubly_stochastic": (losses.doubly_stochastic_loss, doubly_stochastic),
    "entropy": (losses.entropy_loss, entropy),
    "redundancy": (losses.redundancy_loss, redundancy),
}


def supervised(kind):
    """The loss of supervised attention, with alignments that follow from the weights' shape."""

    def loss(weights, target_mask=None, source_mask=None, **options):
        shape = tuple(weights.shape)
        links = np.broadcast_to(LINKS[:, : shape[1], : shape[2]], shape)
        return losses.alignment_loss(weights, links, target_mask, source_mask, kind=kind, **options)

    return loss


# 0 and 1, two of them in one step, and a step without any.
LINKS = np.zeros((4, 6, 7))
LINKS[0, [0, 1, 1, 3], [1, 0, 3, 4]] = 1
LINKS[1, [0, 2], [3, 0]] = 1
LINKS[2, [1, 1, 3, 3], [1, 4, 4, 2]] = 1
# Where the masks are False, and thus without effect.
LINKS[1, 1, 2] = LINKS[0, 5, 6] = LINKS[3, 1, 1] = 1


def aligned(kind):
    def by_hand(steps, links):
        total = count = 0.0
        for weights, row in zip(steps, links):
            if not sum(row):
                continue
            count += 1
            for a, link in zip(weights, row):
                share = link / sum(row)
                if kind == "mse":
                    total += 0.5 * (a - share) ** 2
                elif share:
                    total -= share * np.log(a)
        return total / count

    return by_hand


ALL = {name: loss for name, (loss, _) in LOSSES.items()}
ALL["cross_entropy"], ALL["mse"] = supervised("cross_entropy"), supervised("mse")
every_loss = pytest.mark.parametrize("loss", ALL.values(), ids=ALL)


def sliced(array, row, target_mask=TARGET_MASK, source_mask=SOURCE_MASK):
    steps, positions = np.flatnonzero(target_mask[row]), np.flatnonzero(source_mask[row])
    return array[row][np.ix_(steps, positions)].tolist()


@pytest.mark.parametrize("name", LOSSES)
def test_equals_a_loop_over_what_is_real(name, weights):
    loss, by_hand = LOSSES[name]
    expected = np.mean([by_hand(sliced(weights, row)) for row in range(3)])
    np.testing.assert_allclose(loss(weights, TARGET_MASK, SOURCE_MASK), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["cross_entropy", "mse"])
def test_alignment_equals_a_loop_over_what_is_supervised(kind, weights):
    by_hand = aligned(kind)
    rows = [by_hand(sliced(weights, row), sliced(LINKS, row)) for row in range(3)]
    found = supervised(kind)(weights, TARGET_MASK, SOURCE_MASK)
    np.testing.assert_allclose(found, np.mean(rows), rtol=1e-10)


def test_guided_attention_agrees_with_a_published_figure():
    # SpeechBrain's documentation gives 0.1142 for the mean over the padded rectangle of 2 * 4 * 3.
    weights = np.array(
        [
            [[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 0.0]],
            [[0.6, 0.2, 0.2], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]],
        ]
    )
    rows = [
        losses.guided_attention_loss(weights[i : i + 1], np.array([t]), np.array([s]))
        for i, (t, s) in enumerate([(3, 2), (4, 3)])
    ]
    np.testing.assert_allclose((6 * rows[0] + 12 * rows[1]) / 24, 0.1142, atol=5e-5)


def test_the_mean_over_the_padded_rectangle_is_something_else(weights):
    # What is wrong where others sum over all steps: the empty ones cost 1 a position.
    without_time_mask = losses.doubly_stochastic_loss(weights[1:2])
    with_masks = losses.doubly_stochastic_loss(weights[1:2], TARGET_MASK[1:2], SOURCE_MASK[1:2])
    assert abs(float(without_time_mask - with_masks)) > 0.5


def value_and_gradient(loss, weights, *masks):
    tensor = tf.constant(weights)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = loss(tensor, *masks)
    return value, tape.gradient(value, tensor)


@every_loss
def test_gradients_equal_finite_differences(loss, weights, rng):
    _, gradient = value_and_gradient(loss, weights, TARGET_MASK, SOURCE_MASK)
    direction = rng.normal(size=weights.shape) * (weights > 0)
    ahead, behind = (
        loss(weights + sign * 1e-6 * direction, TARGET_MASK, SOURCE_MASK) for sign in (1, -1)
    )
    assert float(np.abs(gradient).max()) > 0.01
    np.testing.assert_allclose(
        np.sum(gradient * direction), (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-9
    )


@every_loss
def test_extra_padding_changes_nothing_whatever_stands_in_it(loss, weights):
    value, gradient = value_and_gradient(loss, weights, TARGET_MASK, SOURCE_MASK)
    masks = [np.pad(mask, [(0, 0), (0, 2)]) for mask in (TARGET_MASK, SOURCE_MASK)]
    padded = np.pad(weights, [(0, 0), (0, 2), (0, 2)], constant_values=np.nan)
    padded[:, -1] = np.inf
    # Also what the masks hid before.
    padded[~(masks[0][:, :, None] & masks[1][:, None])] = np.nan
    found, found_gradient = value_and_gradient(loss, padded, *masks)
    np.testing.assert_allclose(found, value, rtol=1e-12)
    np.testing.assert_allclose(found_gradient[:, :4, :5], gradient, rtol=1e-9, atol=1e-12)
    assert not np.any(found_gradient[:, 4:]) and not np.any(found_gradient[:, :, 5:])


@every_loss
def test_rows_of_padding_change_nothing(loss, weights):
    # The last row is one.
    np.testing.assert_allclose(
        loss(weights, TARGET_MASK, SOURCE_MASK),
        loss(weights, TARGET_MASK, SOURCE_MASK, sample_weight=np.array([2.0, 2.0, 2.0, 5.0])),
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_rows_count_by_their_weight(name, weights):
    loss, by_hand = LOSSES[name]
    rows = [by_hand(sliced(weights, row)) for row in range(3)]
    found = loss(weights, TARGET_MASK, SOURCE_MASK, sample_weight=np.array([1.0, 0.0, 3.0, 1.0]))
    np.testing.assert_allclose(found, (rows[0] + 3 * rows[2]) / 4, rtol=1e-10)


@every_loss
@pytest.mark.parametrize("empty", ["steps", "positions", "both"])
def test_an_empty_mask_gives_no_loss_and_no_gradient(loss, empty, weights):
    masks = TARGET_MASK, SOURCE_MASK
    if empty != "positions":
        masks = np.zeros_like(TARGET_MASK), masks[1]
    if empty != "steps":
        masks = masks[0], np.zeros_like(SOURCE_MASK)
    for given in (weights, np.full_like(weights, np.nan)):
        value, gradient = value_and_gradient(loss, given, *masks)
        assert float(value) == 0
        assert not np.any(gradient)


@every_loss
def test_lengths_are_masks(loss, rng):
    steps, positions = np.array([4, 2, 3, 0]), np.array([5, 3, 1, 2])
    masks = np.arange(4) < steps[:, None], np.arange(5) < positions[:, None]
    weights = draw(rng, *masks) + 0.01
    expected = loss(weights, *masks)
    np.testing.assert_allclose(loss(weights, steps, positions), expected, rtol=1e-12)


@every_loss
def test_without_masks_all_is_real(loss, weights):
    everything = np.ones((4, 4), bool), np.ones((4, 5), bool)
    weights = weights + 0.01
    np.testing.assert_allclose(loss(weights), loss(weights, *everything), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_feature_maps_count_as_their_positions(name, rng):
    loss = LOSSES[name][0]
    mask = np.array([[1, 1, 0, 1, 1, 1]] * 2, bool)
    weights = draw(rng, TARGET_MASK[:2], mask)
    maps, map_mask = weights.reshape(2, 4, 2, 3), mask.reshape(2, 2, 3)
    expected = loss(weights, TARGET_MASK[:2], mask)
    np.testing.assert_allclose(loss(maps, TARGET_MASK[:2], map_mask), expected, rtol=1e-12)


def test_alignments_over_feature_maps(rng):
    weights, links = rng.uniform(size=(2, 4, 6)), rng.integers(0, 2, (2, 4, 6))
    maps = [array.reshape(2, 4, 2, 3) for array in (weights, links)]
    expected = losses.alignment_loss(weights, links)
    np.testing.assert_allclose(losses.alignment_loss(*maps), expected, rtol=1e-12)


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(loss, dtype, weights):
    # The extremes: weights of exactly 0, which hard and sparse attentions give.
    weights = np.where(weights > 0.3, weights, 0.0)
    expected = loss(weights.astype("float32"), TARGET_MASK, SOURCE_MASK)
    given = tf.cast(weights, dtype)
    value, gradient = value_and_gradient(loss, given, TARGET_MASK, SOURCE_MASK)
    assert value.dtype == tf.float32 and gradient.dtype == given.dtype
    assert np.all(np.isfinite(tf.cast(gradient, tf.float32)))
    np.testing.assert_allclose(value, expected, rtol=1e-2)


def test_cross_entropy_of_float16_has_a_gradient_that_does_not_overflow():
    weights = tf.constant([[[1e-6, 1.0]]], tf.float16)
    value, gradient = value_and_gradient(
        lambda given: losses.alignment_loss(given, np.array([[[1, 0]]])), weights
    )
    np.testing.assert_allclose(value, -np.log(1e-6), rtol=1e-2)
    np.testing.assert_allclose(gradient, [[[-1e4, 0]]], rtol=1e-3)


@every_loss
def test_compiles_with_unknown_sizes(loss, weights):
    specs = [tf.TensorSpec((None, None, None)), *[tf.TensorSpec((None, None), tf.bool)] * 2]
    if loss in (ALL["cross_entropy"], ALL["mse"]):
        # The alignments of these tests are of a fixed size.
        specs[0] = tf.TensorSpec((4, 4, 5))
    traced = tf.function(
        lambda *given: value_and_gradient_of(loss, *given),
        input_signature=specs,
        jit_compile=True,
    )
    found = traced(tf.constant(weights, tf.float32), TARGET_MASK, SOURCE_MASK)
    expected = value_and_gradient(loss, weights.astype("float32"), TARGET_MASK, SOURCE_MASK)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def value_and_gradient_of(loss, tensor, *masks):
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = loss(tensor, *masks)
    return value, tape.gradient(value, tensor)


def test_maps_of_unknown_size(rng):
    weights = draw(rng, TARGET_MASK[:2], np.ones((2, 6), bool)).astype("float32")
    traced = tf.function(
        losses.doubly_stochastic_loss,
        input_signature=[tf.TensorSpec((None,) * 4), tf.TensorSpec((None, None), tf.bool)],
    )
    found = traced(weights.reshape(2, 4, 3, 2), TARGET_MASK[:2])
    np.testing.assert_allclose(
        found, losses.doubly_stochastic_loss(weights, TARGET_MASK[:2]), rtol=1e-6
    )


REFUSED = {
    "rank": (lambda w: losses.coverage_loss(w[0]), "weights: expected"),
    "steps": (lambda w: losses.entropy_loss(w, TARGET_MASK[:, :3]), "target_mask: expected"),
    "positions": (
        lambda w: losses.entropy_loss(w, None, SOURCE_MASK[:, :3]),
        "source_mask: expected",
    ),
    "lengths": (
        lambda w: losses.entropy_loss(w, np.ones(4, bool)),
        "target_mask: expected integers where it holds one length a row, received dtype bool",
    ),
    "rows": (
        lambda w: losses.entropy_loss(w, sample_weight=np.ones(3)),
        "sample_weight: expected one weight a row",
    ),
    "sigma": (lambda w: losses.guided_attention_loss(w, sigma=0), "sigma: expected"),
    "alignments": (
        lambda w: losses.alignment_loss(w, LINKS),
        "alignments: expected one number a weight",
    ),
    "kind": (
        lambda w: losses.alignment_loss(w, w, kind="hinge"),
        "kind: expected one of 'cross_entropy', 'mse', received 'hinge'",
    ),
    "name": (lambda w: AttentionLoss("gided"), "loss: expected one of 'alignment'"),
    "cells": (
        lambda w: AttentionLoss("coverage")(TARGET_MASK, w),
        "y_true: expected one number a weight",
    ),
    "no alignments": (
        lambda w: AddAttentionLoss("alignment")(w),
        "alignments: expected the alignments, received None",
    ),
    "useless alignments": (
        lambda w: AddAttentionLoss("coverage")(w, alignments=w),
        "alignments: expected None",
    ),
    "factor": (lambda w: AddAttentionLoss("coverage", "1"), "factor: expected a number"),
    "rewards": (
        lambda w: losses.hard_attention_loss(w, np.ones((4, 3))),
        "rewards: expected one a row or one a step",
    ),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(make, message, weights):
    with pytest.raises(ValueError, match=message):
        make(weights)


# In a model: compiled in, or added by a layer.


NAMED = ["coverage", "guided", "doubly_stochastic", "entropy", "redundancy"]


@pytest.mark.parametrize("name", NAMED)
def test_compiled_in_the_labels_say_which_cells_are_real(name, weights):
    real = TARGET_MASK[:, :, None] & SOURCE_MASK[:, None]
    # The masks are read from the cells: a row that has no steps has no positions either.
    expected = LOSSES[name][0](weights, TARGET_MASK, SOURCE_MASK)
    loss = AttentionLoss(name)
    np.testing.assert_allclose(loss(real, weights), expected, rtol=1e-10)
    maps = weights.reshape(4, 4, 1, 5), real.reshape(4, 4, 1, 5)
    np.testing.assert_allclose(loss(maps[1], maps[0]), expected, rtol=1e-10)


def test_compiled_in_with_options_and_row_weights(weights):
    real = TARGET_MASK[:, :, None] & SOURCE_MASK[:, None]
    rows = np.array([1.0, 0.0, 3.0, 1.0])
    np.testing.assert_allclose(
        AttentionLoss("guided", sigma=0.5)(real, weights, rows),
        losses.guided_attention_loss(weights, TARGET_MASK, SOURCE_MASK, 0.5, rows),
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
    given = np.where(STEPS, 2.0, np.nan) if by_step else np.full(3, 2.0)
    tokens = tf.constant(ids(STEPS))
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
