"""SentinelCell and SentinelAttention, beyond their rows in tests/conformance."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention import Attention, AttentionRNN, normalizers, vision


def test_weights_and_the_share_of_the_sentinel_sum_to_one(rng):
    query, value = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 2, 3, 4))
    layer = vision.SentinelAttention("additive", dtype="float64")
    context, maps = layer(query, value, return_attention_scores=True)
    assert maps.shape == (2, 3, 2, 3)
    for b, t in np.ndindex(2, 3):
        beta = 1 - np.sum(maps[b, t])
        assert 0.01 < beta < 0.99
        seen = sum(maps[b, t, i, j] * value[b, i, j] for i, j in np.ndindex(2, 3))
        np.testing.assert_allclose(context[b, t], seen + beta * query[b, t, 4:], rtol=1e-9)


def test_weights_are_proportional_to_those_without_a_sentinel(rng):
    """Lu's `beta s + (1 - beta) c`: 1 - beta times the weights without a sentinel."""
    query, value = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 6, 4))
    layer = vision.SentinelAttention("additive", dtype="float64")
    _, weights = layer(query, value, return_attention_scores=True)
    plain = Attention(layer.score.score, dtype="float64")
    _, expected = plain(query[..., :4], value, return_attention_scores=True)
    np.testing.assert_allclose(weights / ops.sum(weights, -1, keepdims=True), expected, rtol=1e-9)


def test_an_attention_mask_limits_the_memory_and_keeps_the_sentinel(rng):
    query, value = rng.normal(size=(2, 4, 8)), rng.normal(size=(2, 4, 4))
    layer = vision.SentinelAttention("additive", dtype="float64")
    causal = layer(query, value, use_causal_mask=True)
    mask = np.tril(np.ones((4, 4), bool))[None].repeat(2, axis=0)
    np.testing.assert_allclose(layer(query, value, attention_mask=mask), causal, rtol=1e-12)
    mask[:, 2] = False
    masked = layer(query, value, attention_mask=mask)
    assert not np.any(masked[:, 2]), "no position is left to choose from"
    np.testing.assert_allclose(masked[:, 3], causal[:, 3], rtol=1e-12)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15", "hardmax", "hard_sample", "sigmoid"])
def test_every_normalizer_without_a_state(name, rng):
    query, value = rng.normal(size=(2, 30, 8)), rng.normal(size=(2, 3, 4))
    layer = vision.SentinelAttention("general", name, dtype="float64")
    _, weights = layer(query, value, return_attention_scores=True, training=True)
    shares = 1 - np.sum(weights, axis=2)
    assert -1e-9 < np.min(shares) <= np.max(shares) < 1 + 1e-9
    assert np.max(shares) > 0.5, "a sentinel is chosen too"


def test_dropout_drops_the_sentinel_too(rng):
    query = np.concatenate([rng.normal(size=(1, 400, 4)), np.ones((1, 400, 4))], axis=-1)
    value = np.zeros((1, 1, 4))
    layer = vision.SentinelAttention("additive", dropout=0.5, seed=1)
    context, weights = layer(query, value, return_attention_scores=True, training=True)
    shares = np.asarray(context[0, :, 0] / (1 - weights[0, :, 0]))
    kept = shares > 1
    np.testing.assert_allclose(shares[kept], 2, rtol=1e-5)
    np.testing.assert_allclose(shares[~kept], 0, atol=1e-6)
    assert 0.4 < np.mean(kept) < 0.6


def test_the_papers_model_survives_saving(tmp_path, rng):
    words, image = keras.Input((None, 3)), keras.Input((2, 2, 6))
    features = layers.Dense(4, "relu")(image)
    decoder = AttentionRNN(
        vision.SentinelCell(4, dropout=0.2),
        vision.SentinelAttention("additive"),
        input_feeding=False,
        attention_fn=vision.hidden_plus_context,
    )
    outputs, maps = decoder(words, features, return_attention_scores=True)
    model = keras.Model([words, image], [outputs, maps])
    assert outputs.shape == (None, None, 4)
    assert maps.shape == (None, None, 2, 2)
    given = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 2, 2, 6))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for found, expected in zip(loaded(given), model(given)):
        np.testing.assert_array_equal(found, expected)
    dropped, _ = model(given, training=True)
    assert np.std(dropped - model(given)[0]) > 0


def test_a_keras_rnn_runs_the_cell(rng):
    outputs = layers.RNN(vision.SentinelCell(4), return_sequences=True)(rng.normal(size=(2, 3, 5)))
    assert outputs.shape == (2, 3, 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vision.SentinelAttention("coverage"), "score: expected one without a state"),
        (
            lambda: vision.SentinelAttention("dot", "monotonic"),
            "normalizer: expected one without a state",
        ),
        (
            lambda: vision.SentinelAttention("dot", normalizers.HardSample("score_function")),
            "normalizer: expected one whose weights pass the context's gradient on",
        ),
        (lambda: vision.SentinelCell(0), "units"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError) as raised:
        make()
    assert message in str(raised.value)


def test_other_sizes_are_refused(rng):
    layer = vision.SentinelAttention("additive")
    with pytest.raises(ValueError, match=r"query: expected \[h; s\], twice the features"):
        layer(rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 6, 5)))
    decoder = AttentionRNN(vision.SentinelCell(4), layer, attend="before")
    with pytest.raises(ValueError, match="with attend='after'"):
        decoder(rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 6, 4)))


def test_a_causal_mask_equals_slicing_the_memory(rng):
    query, value = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 5, 4))
    mask = np.array([[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool)
    layer = vision.SentinelAttention("additive", dtype="float64")
    options = {"return_attention_scores": True}
    found = layer(query, value, value_mask=mask, use_causal_mask=True, **options)
    for i in range(3):
        seen = slice(0, i + 1)
        expected = layer(query[:, i], value[:, seen], value_mask=mask[:, seen], **options)
        np.testing.assert_allclose(found[0][:, i], expected[0], atol=1e-12)
        np.testing.assert_allclose(found[1][:, i, seen], expected[1], atol=1e-12)
    assert not np.asarray(found[0])[0, 0].any(), "no position is left to choose from"
