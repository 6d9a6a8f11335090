"""Multi-head attention against Keras' own, and over scores that Keras does not have."""

import keras
import numpy as np
import pytest

from keras_attention import AttentionRNN, MultiHeadAttention, scores
from tests.support.backends import numbers


@pytest.fixture
def query():
    return np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")


@pytest.fixture
def value():
    return np.random.default_rng(1).normal(size=(2, 5, 6)).astype("float32")


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("allowed", [True, False])
def test_scaled_dot_equals_keras(query, value, use_bias, causal, allowed):
    sizes = {"num_heads": 2, "key_dim": 3, "value_dim": 4, "use_bias": use_bias}
    theirs = keras.layers.MultiHeadAttention(**sizes)
    ours = MultiHeadAttention(**sizes, average_heads=False)
    mask = np.array([[True, True, True, True, False], [True, True, False, False, False]])
    options = {"return_attention_scores": True, "use_causal_mask": causal}
    if allowed:
        options["attention_mask"] = np.array([[[1, 0, 1, 1, 0]] * 3, [[1, 1, 0, 0, 1]] * 3], bool)
    theirs(query, value)
    ours(query, value)
    for variable in theirs.weights:
        variable.assign(np.random.default_rng(2).normal(size=variable.shape))
    order = ("query_heads", "key_heads", "value_heads", "output_projection")
    flat = iter(theirs.get_weights())
    for name in order:
        layer = getattr(ours, name)
        layer.set_weights([next(flat).reshape(w.shape) for w in layer.weights])

    expected = theirs(query, value, value_mask=mask, **options)
    found = ours(query, value, value_mask=mask, **options)
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_each_head_looks_elsewhere(query, value):
    attention = MultiHeadAttention(4, 3, score="additive", average_heads=False)
    context, weights = attention(query, value, return_attention_scores=True)
    (weights,) = numbers([weights])
    assert weights.shape == (2, 4, 3, 5)
    assert context.shape == (2, 3, 8)
    assert not np.allclose(weights[:, 0], weights[:, 1])
    average = MultiHeadAttention(4, 3, score="additive")
    average(query, value)
    average.set_weights(attention.get_weights())
    (mean,) = numbers([average(query, value, return_attention_scores=True)[1]])
    np.testing.assert_allclose(mean, weights.mean(axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("score", ["general", "location", "coverage", "biaffine", "cosine"])
@pytest.mark.parametrize("input_feeding", [True, False])
def test_heads_attend_inside_a_recurrence(query, value, score, input_feeding):
    if score == "location":
        score = scores.Location(filters=2, kernel_size=3)
    attention = MultiHeadAttention(2, 3, output_shape=7, score=score)
    decoder = AttentionRNN(keras.layers.GRUCell(8), attention, input_feeding=input_feeding)
    outputs, weights = decoder(query, value, return_attention_scores=True)
    assert (*outputs.shape, *weights.shape) == (2, 3, 8 + 7, 2, 3, 5)
    memory = attention.memory(value)
    state = decoder.initial_state(memory)
    for t in range(3):
        vector, _, state = decoder.step(query[:, t], memory, state)
        one, other = numbers([vector, outputs[:, t]])
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_dropout_acts_while_training(query, value):
    attention = MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    quiet = numbers([attention(query, value), attention(query, value, training=False)])
    np.testing.assert_array_equal(*quiet)
    assert not np.allclose(*numbers([attention(query, value, training=True), quiet[0]]))


@pytest.mark.parametrize("name", ["num_heads", "key_dim", "value_dim", "output_shape"])
def test_sizes_are_checked(name):
    with pytest.raises(ValueError, match=f"{name}: expected a positive integer, received 0"):
        MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, name: 0})


def test_projections_have_the_options_of_a_dense_layer(query, value):
    attention = MultiHeadAttention(
        2,
        3,
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(0.5),
        kernel_regularizer=keras.regularizers.L2(0.1),
        bias_regularizer="l1",
        kernel_constraint="non_neg",
        bias_constraint=keras.constraints.MaxNorm(1.0),
        output_shape=5,
    )
    again = MultiHeadAttention.from_config(attention.get_config())
    for layer in (attention, again):
        assert layer(query, value).shape == (2, 3, 5)
        projections = (
            layer.query_heads,
            layer.key_heads,
            layer.value_heads,
            layer.output_projection,
        )
        for dense in projections:
            assert np.all(np.asarray(dense.kernel) == 1) and np.all(np.asarray(dense.bias) == 0.5)
            assert isinstance(dense.kernel_constraint, keras.constraints.NonNeg)
            assert isinstance(dense.bias_constraint, keras.constraints.MaxNorm)
        kernels = sum(np.size(dense.kernel) for dense in projections)
        biases = sum(np.size(dense.bias) for dense in projections)
        expected = 0.1 * kernels + 0.01 * 0.5 * biases
        np.testing.assert_allclose(sum(layer.losses), expected, rtol=1e-5)


def test_projections_differ_with_one_initializer(query, value):
    attention = MultiHeadAttention(2, 4, kernel_initializer=keras.initializers.GlorotNormal())
    attention(query, query)
    assert not np.allclose(attention.query_heads.kernel, attention.key_heads.kernel)


def test_configs_with_the_old_name_of_output_shape_load(query, value):
    config = MultiHeadAttention(2, 3, output_shape=5).get_config()
    config["output_dim"] = config.pop("output_shape")
    assert MultiHeadAttention.from_config(config)(query, value).shape == (2, 3, 5)


def test_the_output_shape_may_be_a_tuple_as_in_keras(query, value):
    assert MultiHeadAttention(2, 3, output_shape=(5,))(query, value).shape == (2, 3, 5)
