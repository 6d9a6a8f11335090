"""SequenceCrossentropy against loops, and masks that act once."""

import math
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.losses import SequenceCrossentropy

LABELS = np.array([[3, 2, 0], [4, 0, 0]])


@pytest.fixture
def logits(rng):
    return rng.normal(size=(2, 3, 6)).astype("float32")


def by_hand(labels, logits, smoothing=0.0, weights=None):
    total = count = 0.0
    for b in range(labels.shape[0]):
        for t in range(labels.shape[1]):
            if labels[b, t] == 0:
                continue
            weight = 1.0 if weights is None else weights[b, t]
            norm = math.log(sum(math.exp(x) for x in logits[b, t]))
            for v, x in enumerate(logits[b, t]):
                share = smoothing / logits.shape[2] + (v == labels[b, t]) * (1 - smoothing)
                total += weight * share * (norm - x)
            count += weight
    return total / count


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_a_loop(smoothing, logits):
    loss = SequenceCrossentropy(label_smoothing=smoothing)
    np.testing.assert_allclose(loss(LABELS, logits), by_hand(LABELS, logits, smoothing), rtol=1e-5)


def test_extra_padding_changes_nothing(logits):
    loss = SequenceCrossentropy()
    padded = np.pad(LABELS, [(0, 0), (0, 2)]), np.pad(logits, [(0, 0), (0, 2), (0, 0)])
    np.testing.assert_allclose(loss(*padded), loss(LABELS, logits), rtol=1e-6)


FILLERS = {
    "large": [1e9, -1e9] * 3,
    "minus infinity": [-np.inf] * 6,
    "one minus infinity": [-np.inf, 0, 0, 0, 0, 0],
    "infinity": [np.inf] * 6,
    "nan": [np.nan] * 6,
}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
def test_logits_in_the_padding_may_be_anything(filler, smoothing, logits):
    def found(logits):
        tensor = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = SequenceCrossentropy(label_smoothing=smoothing)(LABELS, tensor)
        return loss, tape.gradient(loss, tensor)

    spoiled = np.where(LABELS[:, :, None] == 0, np.array(filler, "float32"), logits)
    for one, other in zip(found(spoiled), found(logits)):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
def test_a_position_of_weight_zero_may_be_anything(filler, logits):
    weights = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    spoiled = logits.copy()
    spoiled[0, 1] = filler
    loss = SequenceCrossentropy()
    expected = loss(LABELS, logits, sample_weight=weights)
    np.testing.assert_allclose(loss(LABELS, spoiled, sample_weight=weights), expected, rtol=1e-6)


def test_sample_weights_per_example_and_per_token(logits):
    loss = SequenceCrossentropy()
    example = np.array([2.0, 0.5])
    expected = by_hand(LABELS, logits, weights=np.repeat(example[:, None], 3, axis=1))
    np.testing.assert_allclose(loss(LABELS, logits, sample_weight=example), expected, rtol=1e-5)
    token = np.array([[1.0, 3.0, 1.0], [0.0, 1.0, 1.0]])
    expected = by_hand(LABELS, logits, weights=token)
    np.testing.assert_allclose(loss(LABELS, logits, sample_weight=token), expected, rtol=1e-5)


def test_a_batch_of_padding_has_no_loss_and_no_gradient(logits):
    tensor = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = SequenceCrossentropy()(np.zeros((2, 3), int), tensor)
    assert float(loss) == 0
    assert not np.any(tape.gradient(loss, tensor))


def test_the_mask_of_the_embedding_does_not_act_twice():
    # Ids masked by the embedding, but labels that are real there: Keras' own losses drop them.
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(6, 4, mask_zero=True)(ids)
    model = keras.Model(ids, keras.layers.Dense(6)(embedded))
    model.compile(loss=SequenceCrossentropy())
    inputs = np.array([[5, 0, 0], [5, 4, 0]])
    found = model.evaluate(inputs, LABELS, verbose=0)
    np.testing.assert_allclose(found, by_hand(LABELS, model(inputs).numpy()), rtol=1e-5)


def test_half_precision_is_computed_in_float32(logits):
    loss = SequenceCrossentropy()(LABELS, (100 * logits).astype("float16"))
    assert loss.dtype == "float32"
    np.testing.assert_allclose(loss, by_hand(LABELS, 100.0 * logits), rtol=1e-2)


def test_replicas_share_the_mean_over_all_their_tokens(logits):
    # `fit` sums over replicas. The second one has 3 times this one's losses and weights.
    class First:
        num_replicas_in_sync = 2

        def all_reduce(self, how, sums):
            assert how == tf.distribute.ReduceOp.SUM
            return 4 * sums

    def found():
        tensor = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = SequenceCrossentropy()(LABELS, tensor)
        return loss, tape.gradient(loss, tensor)

    whole, gradient = found()
    with mock.patch.object(tf.distribute, "get_replica_context", First):
        share, gradient_of_share = found()
    # All replicas have the same value; each has the gradient of its own tokens.
    np.testing.assert_allclose(2 * share, whole, rtol=1e-6)
    np.testing.assert_allclose(4 * gradient_of_share, gradient, rtol=1e-6)


def test_config_round_trip():
    loss = SequenceCrossentropy(label_smoothing=0.2, name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (again.label_smoothing, again.name) == (0.2, "mine")
