"""The losses over attention weights: each against a loop, and that padding plays no part."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention import losses
from keras_attention.losses import AddAttentionLoss, AttentionLoss
from tests.losses.loops import (
    LINKS,
    LOSSES,
    SOURCE_MASK,
    TARGET_MASK,
    aligned,
    random_weights,
    sliced,
    supervised,
)

ALL = {name: loss for name, (loss, _) in LOSSES.items()}
ALL["cross_entropy"], ALL["mse"] = supervised("cross_entropy"), supervised("mse")
every_loss = pytest.mark.parametrize("loss", ALL.values(), ids=ALL)


@pytest.mark.parametrize("name", LOSSES)
def test_equals_a_loop_over_what_is_real(name, weights):
    loss, by_hand = LOSSES[name]
    expected = np.mean([by_hand(sliced(weights, example)) for example in range(3)])
    np.testing.assert_allclose(loss(weights, TARGET_MASK, SOURCE_MASK), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["cross_entropy", "mse"])
def test_alignment_equals_a_loop_over_what_is_supervised(kind, weights):
    by_hand = aligned(kind)
    per_example = [
        by_hand(sliced(weights, example), sliced(LINKS, example)) for example in range(3)
    ]
    found = supervised(kind)(weights, TARGET_MASK, SOURCE_MASK)
    np.testing.assert_allclose(found, np.mean(per_example), rtol=1e-10)


def test_guided_attention_agrees_with_a_published_figure():
    # SpeechBrain's documentation gives 0.1142 for the mean over the padded rectangle of 2 * 4 * 3.
    weights = np.array(
        [
            [[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 0.0]],
            [[0.6, 0.2, 0.2], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]],
        ]
    )
    per_example = [
        losses.guided_attention_loss(weights[i : i + 1], np.array([t]), np.array([s]))
        for i, (t, s) in enumerate([(3, 2), (4, 3)])
    ]
    np.testing.assert_allclose((6 * per_example[0] + 12 * per_example[1]) / 24, 0.1142, atol=5e-5)


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
    # The last example is one.
    np.testing.assert_allclose(
        loss(weights, TARGET_MASK, SOURCE_MASK),
        loss(weights, TARGET_MASK, SOURCE_MASK, sample_weight=np.array([2.0, 2.0, 2.0, 5.0])),
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_rows_count_by_their_weight(name, weights):
    loss, by_hand = LOSSES[name]
    per_example = [by_hand(sliced(weights, example)) for example in range(3)]
    found = loss(weights, TARGET_MASK, SOURCE_MASK, sample_weight=np.array([1.0, 0.0, 3.0, 1.0]))
    np.testing.assert_allclose(found, (per_example[0] + 3 * per_example[2]) / 4, rtol=1e-10)


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
    weights = random_weights(rng, *masks) + 0.01
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
    weights = random_weights(rng, TARGET_MASK[:2], mask)
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
    weights = random_weights(rng, TARGET_MASK[:2], np.ones((2, 6), bool)).astype("float32")
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
        "target_mask: expected integers where it holds one length per example, received dtype bool",
    ),
    "examples": (
        lambda w: losses.entropy_loss(w, sample_weight=np.ones(3)),
        "sample_weight: expected one weight per example",
    ),
    "sigma": (lambda w: losses.guided_attention_loss(w, sigma=0), "sigma: expected"),
    "alignments": (
        lambda w: losses.alignment_loss(w, LINKS),
        "alignments: expected one number per weight",
    ),
    "kind": (
        lambda w: losses.alignment_loss(w, w, kind="hinge"),
        "kind: expected one of 'cross_entropy', 'mse', received 'hinge'",
    ),
    "name": (lambda w: AttentionLoss("gided"), "loss: expected one of 'alignment'"),
    "cells": (
        lambda w: AttentionLoss("coverage")(TARGET_MASK, w),
        "y_true: expected one number per weight",
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
        "rewards: expected one per example or one per step",
    ),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(make, message, weights):
    with pytest.raises(ValueError, match=message):
        make(weights)
