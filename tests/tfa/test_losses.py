"""tfa's sequence_loss and SequenceLoss against loops."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.tfa import SequenceLoss, sequence_loss

# With weights other than 1, an example without any, and a step without any.
WEIGHTS = np.array([[2.0, 0.5, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 3.0, 0.0]], "float32")
TARGETS = np.array([[3, 2, 0, 1], [4, 0, 0, 0], [5, 1, 2, 2]])
# average_across_timesteps, average_across_batch, sum_over_timesteps, sum_over_batch
REDUCTIONS = [
    (True, True, False, False),
    (True, False, False, False),
    (False, True, False, False),
    (False, False, True, True),
    (False, False, True, False),
    (False, False, False, True),
    (False, False, False, False),
]


@pytest.fixture
def many(rng):
    return rng.normal(size=(3, 4, 6)).astype("float32")


def reduced_by_hand(logits, targets, weights, average_t, average_b, sum_t, sum_b):
    """A dictionary of sums: which cells fall together depends on the axes that are reduced."""
    totals, shares = {}, {}
    for b, t in itertools.product(range(3), range(4)):
        cell = (0 if average_b or sum_b else b, 0 if average_t or sum_t else t)
        norm = math.log(sum(math.exp(x) for x in logits[b, t]))
        loss = weights[b, t] * (norm - logits[b, t, targets[b, t]])
        share = weights[b, t] if average_t or average_b else float(weights[b, t] != 0)
        if not any((average_t, average_b, sum_t, sum_b)):
            share = 1.0
        totals[cell] = totals.get(cell, 0.0) + loss
        shares[cell] = shares.get(cell, 0.0) + share
    return [totals[cell] / shares[cell] if shares[cell] else 0.0 for cell in sorted(totals)]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_sequence_loss_reduces_as_asked(reduction, many):
    found = sequence_loss(many, TARGETS, WEIGHTS, *reduction)
    average_t, average_b, sum_t, sum_b = reduction
    shape = (3,) * (not (average_b or sum_b)) + (4,) * (not (average_t or sum_t))
    assert found.shape == shape
    expected = reduced_by_hand(many, TARGETS, WEIGHTS, *reduction)
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-5)


def test_sequence_loss_has_the_defaults_of_tfa(many):
    averaged = reduced_by_hand(many, TARGETS, WEIGHTS, True, True, False, False)
    np.testing.assert_allclose(sequence_loss(many, TARGETS, WEIGHTS), averaged[0], rtol=1e-5)
    summed = reduced_by_hand(many, TARGETS, WEIGHTS, False, False, True, True)
    np.testing.assert_allclose(SequenceLoss()(TARGETS, many, WEIGHTS), summed[0], rtol=1e-5)


@pytest.mark.parametrize("reduction", list(itertools.product([True, False], repeat=4)))
def test_sequence_loss_refuses_an_order_that_matters(reduction, many):
    if reduction in REDUCTIONS:
        return
    for refused in (
        lambda: sequence_loss(many, TARGETS, WEIGHTS, *reduction),
        lambda: SequenceLoss(*reduction),
    ):
        with pytest.raises(ValueError, match=r"expected only one of the two kinds"):
            refused()


def test_sequence_loss_takes_distributions_and_another_function(many):
    one_hot = np.eye(6, dtype="float32")[TARGETS]
    expected = sequence_loss(many, TARGETS, WEIGHTS)
    np.testing.assert_allclose(sequence_loss(many, one_hot, WEIGHTS), expected, rtol=1e-5)

    def squared(labels, logits):
        assert labels.shape == (12,) and logits.shape == (12, 6)
        return tf.reduce_sum(logits**2, axis=-1)

    found = sequence_loss(many, TARGETS, WEIGHTS, softmax_loss_function=squared)
    cells = WEIGHTS * np.sum(many**2, axis=-1)
    np.testing.assert_allclose(found, cells.sum() / WEIGHTS.sum(), rtol=1e-5)


def test_a_weight_of_zero_hides_whatever_stands_there(many):
    def found(logits):
        tensor = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = sequence_loss(tensor, TARGETS, WEIGHTS)
        return loss, tape.gradient(loss, tensor)

    spoiled = np.where(WEIGHTS[:, :, None] == 0, np.array([1e9, -1e9] * 3, "float32"), many)
    for one, other in zip(found(spoiled), found(many)):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_sequence_loss_compiles_with_unknown_sizes(many):
    specs = [tf.TensorSpec((None, None, 6)), tf.TensorSpec((None, None), tf.int64)]
    specs.append(tf.TensorSpec((None, None)))
    for reduction in REDUCTIONS:
        traced = tf.function(
            lambda *tensors, r=reduction: sequence_loss(*tensors, *r),
            input_signature=specs,
            jit_compile=True,
        )
        found = traced(*map(tf.constant, (many, TARGETS, WEIGHTS)))
        expected = sequence_loss(many, TARGETS, WEIGHTS, *reduction)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_weights_ids_of_zero_are_padding(many):
    real = (TARGETS != 0).astype("float32")
    loss = SequenceLoss()
    np.testing.assert_allclose(loss(TARGETS, many), loss(TARGETS, many, real), rtol=1e-6)
    example = np.array([1.0, 0.0, 2.0], "float32")
    expected = loss(TARGETS, many, real * example[:, None])
    np.testing.assert_allclose(loss(TARGETS, many, example), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(batch, length\)"):
        loss(np.eye(6)[TARGETS], many)


def test_sequence_loss_trains_a_model(many):
    model = keras.Sequential([keras.layers.Dense(6)])
    model.compile("sgd", SequenceLoss(True, True, False, False))
    model.fit(many, TARGETS, sample_weight=WEIGHTS, verbose=0)
    found = model.evaluate(many, TARGETS, sample_weight=WEIGHTS, verbose=0)
    np.testing.assert_allclose(found, sequence_loss(model(many), TARGETS, WEIGHTS), rtol=1e-5)


def test_sequence_loss_refuses_what_does_not_fit(many):
    for arguments, message in [
        ((many[0], TARGETS, WEIGHTS), r"logits: expected \(batch, length, vocabulary\)"),
        ((many, TARGETS[0], WEIGHTS), r"targets: expected ids"),
        ((many, TARGETS[:2], WEIGHTS), r"targets: expected one target per position"),
        ((many, TARGETS, WEIGHTS[0]), r"weights: expected one weight per position"),
    ]:
        with pytest.raises(ValueError, match=message):
            sequence_loss(*arguments)


@keras.saving.register_keras_serializable(package="tests")
def registered(labels, logits):
    return tf.reduce_sum(logits, axis=-1)


@pytest.mark.parametrize("function", [None, registered])
def test_sequence_loss_config_round_trip(function, many):
    loss = SequenceLoss(True, False, False, False, softmax_loss_function=function, name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    np.testing.assert_array_equal(again(TARGETS, many, WEIGHTS), loss(TARGETS, many, WEIGHTS))
