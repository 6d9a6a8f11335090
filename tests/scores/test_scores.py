"""What a score does by itself; that each is right and safe is shown by tests/conformance."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import Attention, LuongAttention, scores
from keras_attention.models import EncoderDecoder
from keras_attention.scores.registry import NAMES
from keras_attention.text import Vocabulary
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
    looks_back["gmm"] = np.ones((2, 5), "float32")
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


@pytest.mark.parametrize("version", ["v0", "v1", "v2"])
def test_gmm_starts_with_the_step_and_the_deviation_that_are_asked_for(version):
    score = scores.GaussianMixture(1, version=version, step_init=2.0, deviation_init=0.5)
    attention = Attention(score)
    _, weights = attention(np.zeros((1, 3, 4)), np.ones((1, 7, 4)), return_attention_scores=True)
    means = 2.0 * np.arange(1, 4)
    expected = np.exp(-((np.arange(1, 8) - means[:, None]) ** 2) / (2 * 0.5**2))
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(weights[0], expected, rtol=1e-4, atol=1e-7)


def test_gmm_gives_the_density_of_a_normal_distribution(rng):
    _, weights = Attention(scores.GaussianMixture(3, step_init=40.0), "exponential")(
        np.zeros((1, 1, 4)), np.ones((1, 80, 4)), return_attention_scores=True
    )
    np.testing.assert_allclose(np.sum(weights), 1.0, atol=1e-3)
    np.testing.assert_allclose(weights[0, 0, 39], 1 / (10 * np.sqrt(2 * np.pi)), rtol=1e-4)


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


class Fixed(keras.constraints.Constraint):
    """Sets every weight that it constrains to 3."""

    def __call__(self, w):
        return ops.full_like(w, 3.0)


BIASED = {name: {"use_bias": True} for name in ("additive", "location", "coverage")}


@pytest.mark.parametrize(
    "name",
    ["general", "biaffine", "additive", "location", "cumulative_location", "coverage"],
)
def test_kernels_and_biases_are_regularized_and_constrained(name, rng):
    options = {
        "kernel_regularizer": keras.regularizers.L1(1.0),
        "kernel_constraint": Fixed(),
        **BIASED.get(name, {}),
    }
    if name != "general":
        options |= {
            "bias_initializer": "ones",
            "bias_regularizer": keras.regularizers.L1(100.0),
            "bias_constraint": Fixed(),
        }
    score = scores.get(name, **options)
    score.build((None, None, 4), (None, None, 4))
    kernels = [w for w in score.trainable_variables if w.name != "bias"]
    biases = [w for w in score.trainable_variables if w.name == "bias"]
    assert len(biases) == (name != "general")
    assert all(isinstance(weight.constraint, Fixed) for weight in (*kernels, *biases))
    expected = sum(np.abs(w).sum() for w in kernels) + 100 * sum(np.size(w) for w in biases)
    np.testing.assert_allclose(sum(map(float, score.losses)), expected, rtol=1e-6)
    attention = Attention(score)
    attention.build((None, None, 4), (None, None, 4))
    np.testing.assert_allclose(sum(map(float, attention.losses)), expected, rtol=1e-6)


def test_regularizers_and_constraints_are_saved():
    score = scores.Additive(
        4,
        use_bias=True,
        kernel_regularizer="l2",
        bias_regularizer="l1",
        bias_constraint="unit_norm",
    )
    again = scores.deserialize(scores.serialize(score))
    again.build((None, None, 3), (None, None, 5))
    dense = again.key_projection
    assert isinstance(dense.kernel.regularizer, keras.regularizers.L2)
    assert isinstance(dense.bias.regularizer, keras.regularizers.L1)
    assert isinstance(dense.bias.constraint, keras.constraints.UnitNorm)
    assert dense.kernel.constraint is None


def test_a_fixed_context_is_the_mean_of_the_real_values(rng):
    query, value = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 6))
    mask = np.array([[True] * 5, [True, True, False, False, False]])
    context = Attention(scores.FixedContext())(query, value, value_mask=mask)
    expected = np.stack([value[0].mean(axis=0), value[1, :2].mean(axis=0)])
    np.testing.assert_allclose(context, np.repeat(expected[:, None], 3, axis=1), rtol=1e-5)


@pytest.mark.slow
def test_a_model_without_attention_loads_with_the_package_alone(tmp_path):
    """As `make translate` saves its baseline, and the export scripts load it, in a new process."""
    model = EncoderDecoder(
        Vocabulary(["a", "b"], " "),
        Vocabulary(["c", "d"], " "),
        attention=Attention(scores.FixedContext(), name="attention"),
        embedding_dim=4,
        units=4,
    )
    inputs = {"source": np.array([[4, 5, 2]]), "target": np.array([[1, 4, 5]])}
    expected = ops.convert_to_numpy(model(inputs))
    model.save(tmp_path / "model.keras")
    program = (
        "import sys, numpy, keras, keras_attention\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "found = model({'source': numpy.array([[4, 5, 2]]), 'target': numpy.array([[1, 4, 5]])})\n"
        "assert not any(name.startswith('keras_attention.recipes') for name in sys.modules)\n"
        "numpy.save(sys.argv[2], keras.ops.convert_to_numpy(found))\n"
    )
    command = [sys.executable, "-c", program, tmp_path / "model.keras", tmp_path / "found.npy"]
    subprocess.run(command, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, rtol=1e-5)
