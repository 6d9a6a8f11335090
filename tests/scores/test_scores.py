"""What a score does by itself; that each is right and safe is shown by tests/conformance."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import Attention, LuongAttention, scores
from keras_attention.scores.registry import NAMES
from tests.support.backends import differentiate


@keras.saving.register_keras_serializable(package="tests")
class Distance(scores.Score):
    """A score as a user writes one: minus the squared distance, times a learned factor."""

    def build(self, query_shape, key_shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")
        self.built = True

    def compare(self, query, keys):
        difference = keras.ops.expand_dims(query, 2) - keras.ops.expand_dims(keys, 1)
        return -self.factor * keras.ops.sum(keras.ops.square(difference), axis=-1)


def scored(name, rng, **options):
    """The scores of three queries and five keys, after a step that attended to the third."""
    score, before = scores.get(name, **options), np.float32([[0, 0, 1, 0, 0]] * 2)
    looks_back = {"location": before, "coverage": before, "cumulative_location": (before, before)}
    return score(rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), looks_back.get(name))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_gives_scores_over_queries_and_keys(name, rng):
    assert scored(name, rng).shape == (2, 3, 5)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_half_precision_gives_scores_in_float32(name, rng):
    found = scored(name, rng, dtype="float16")
    assert keras.backend.standardize_dtype(found.dtype) == "float32"


@pytest.mark.parametrize("name", ["general", "additive", "concat"])
def test_query_and_key_may_differ_in_size(name, rng):
    score = scores.get(name)
    assert score(rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 6))).shape == (2, 3, 5)


def test_concat_equals_one_matrix_over_query_and_key_side_by_side(rng):
    # In float32, the widest that every backend has.
    query, key = (rng.normal(size=size).astype("float32") for size in ((1, 3, 4), (1, 5, 6)))
    attention = LuongAttention(units=7, score="concat")
    _, weights = attention(query, key, return_attention_scores=True)
    score = attention.score
    joined = np.concatenate([score.query_projection.kernel, score.key_projection.kernel])
    for i in range(3):
        sides = np.concatenate([np.repeat(query[0, i : i + 1], 5, axis=0), key[0]], axis=1)
        powers = np.exp(np.tanh(sides @ joined) @ np.asarray(score.v))[:, 0]
        np.testing.assert_allclose(weights[0, i], powers / powers.sum(), rtol=1e-5)


def test_kernels_of_one_size_start_out_different():
    score = scores.Additive(4)
    score.build((None, None, 4), (None, None, 4))
    assert not np.array_equal(score.query_projection.kernel, score.key_projection.kernel)


def test_additive_takes_any_keras_activation_and_bias(rng):
    score = scores.Additive(4, activation=keras.activations.gelu, use_bias=True)
    score(rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)))
    again = scores.Additive.from_config(score.get_config())
    assert again.activation is keras.activations.gelu
    assert again.use_bias and not again.normalize


def test_cosine_of_zeros_is_zero_and_has_no_gradient():
    score = scores.Cosine()
    key = np.ones((1, 3, 4), "float32")

    def compute(query):
        found = score(query, key)
        return ops.sum(found), found

    found, gradients = differentiate(compute, [np.zeros((1, 2, 4), "float32")], [])
    assert not np.any(found)
    assert not np.any(gradients[0])


def test_cosine_ignores_lengths_and_stays_below_its_cap():
    score = scores.Cosine()
    score.build((None, None, 4), (None, None, 4))
    score.log_scale.assign(50.0)
    found = score(np.full((1, 1, 4), 0.01), np.full((1, 1, 4), 100.0))
    np.testing.assert_allclose(found, 100.0, rtol=1e-5)


def test_a_score_of_ones_own_works_and_is_saved(rng, tmp_path):
    query, value = keras.Input((None, 4)), keras.Input((None, 4))
    model = keras.Model([query, value], Attention(Distance())(query, value))
    model.layers[-1].score.factor.assign(3.0)
    model.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras")
    inputs = [rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))]
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_a_score_without_compare_says_what_to_write():
    with pytest.raises(NotImplementedError, match=r"compare\(query, keys\)"):
        scores.Score()(np.ones((1, 1, 2)), np.ones((1, 1, 2)))
