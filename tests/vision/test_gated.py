"""GatedAttention, beyond its rows in tests/conformance: normalizers, maps, training."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention import Attention, AttentionRNN, normalizers, vision
from keras_attention.losses import hard_attention_loss
from keras_attention.normalizers.registry import NAMES

tf = pytest.importorskip("tensorflow")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def random_weights(layer, rng):
    for variable in layer.weights:
        if "seed" not in variable.path:
            variable.assign(rng.normal(size=variable.shape))
    return layer


@pytest.mark.parametrize(
    ("normalizer", "gate"), [*zip(NAMES, itertools.cycle(["scalar", "vector"]))]
)
def test_the_context_is_gated_and_the_maps_are_not(normalizer, gate, rng):
    query, value = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 3, 5))
    mask = np.array([[[1, 1, 1], [1, 0, 0]], [[1, 1, 1], [1, 1, 1]]], bool)
    layer = vision.GatedAttention("general", normalizer, gate=gate, dtype="float64")
    layer.build(query.shape, value.shape)
    random_weights(layer, rng)
    context, maps = layer(query, value, value_mask=mask, return_attention_scores=True)

    plain = Attention(layer.score, layer.normalizer, dtype="float64")
    _, ungated = plain(query, value, value_mask=mask, return_attention_scores=True)
    np.testing.assert_allclose(maps, ungated, rtol=1e-12)
    kernel, bias = (np.asarray(v) for v in layer.gate_projection.weights)
    assert kernel.shape == (4, 1 if gate == "scalar" else 5)
    for b, t in np.ndindex(2, 3):
        seen = sum(maps[b, t, i, j] * value[b, i, j] for i, j in np.ndindex(2, 3))
        expected = sigmoid(query[b, t] @ kernel + bias) * seen
        np.testing.assert_allclose(context[b, t], expected, rtol=1e-9, atol=1e-12)


def test_maps_have_the_height_and_width_of_the_features(rng):
    words, features = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 5, 6))
    for attend in ("before", "after"):
        attention = vision.GatedAttention("additive")
        decoder = AttentionRNN(layers.LSTMCell(4), attention, attend=attend)
        _, maps = decoder(words, features, return_attention_scores=True)
        assert maps.shape == (2, 3, 2, 5)
        np.testing.assert_allclose(ops.sum(maps, axis=(2, 3)), 1, rtol=1e-5)


def test_frozen_it_has_nothing_to_train():
    layer = vision.GatedAttention("additive", trainable=False)
    layer.build((None, None, 4), (None, None, 5))
    assert layer.weights
    assert not layer.trainable_weights


def test_another_gate_is_refused():
    with pytest.raises(ValueError, match="gate: expected one of 'scalar', 'vector', received 'no'"):
        vision.GatedAttention("additive", gate="no")


def find_the_symbol(rng, rows):
    """Maps with each word and its label at one position, and a sequence of words to look up."""
    words, labels, places = 3, 4, 4
    at = np.array([rng.permutation(places)[:words] for _ in range(rows)])
    says = rng.integers(labels, size=(rows, words))
    features = np.zeros((rows, places, words + labels), "float32")
    for row, word in np.ndindex(rows, words):
        features[row, at[row, word], [word, words + says[row, word]]] = 1
    asked = np.array([rng.permutation(words)[:2] for _ in range(rows)])
    each = np.arange(rows)[:, None]
    sequence = np.eye(words, dtype="float32")[asked]
    return sequence, features.reshape(rows, 2, 2, -1), says[each, asked], at[each, asked]


@pytest.mark.parametrize("kind", ["soft", "straight_through", "score_function"])
def test_soft_and_hard_attention_learn_where_to_look(kind, rng):
    """A map of four positions has three words with labels; the labels of two are predicted."""
    normalizer = "softmax" if kind == "soft" else normalizers.HardSample(kind, seed=1)
    attention = vision.GatedAttention("general", normalizer)
    decoder = AttentionRNN(layers.GRUCell(8), attention, input_feeding=False, attention_layer=4)
    sequence, features, labels, places = find_the_symbol(rng, 128)
    decoder.build(sequence.shape, features.shape)
    optimizer = keras.optimizers.Adam(0.03)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            logits, maps = decoder(sequence, features, return_attention_scores=True, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            loss = tf.reduce_mean(losses)
            if kind == "score_function":
                loss += hard_attention_loss(maps, -losses, tf.reduce_mean(-losses))
        variables = decoder.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    for _ in range(150):
        train()
    logits, maps = decoder(sequence, features, return_attention_scores=True)
    looked_at = np.argmax(np.reshape(maps, (128, 2, 4)), axis=2)
    assert np.mean(looked_at == places) > 0.9
    assert np.mean(np.argmax(logits, axis=2) == labels) > 0.9
