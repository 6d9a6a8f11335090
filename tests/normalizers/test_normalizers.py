"""What each normalizer promises beyond the table: sparsity, mass, noise, estimated gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import Attention, normalizers
from keras_attention._core.memory import Memory
from keras_attention.normalizers.registry import NAMES
from tests.support import backends
from tests.support.backends import numbers


def scores_of(*shape, scale=1.0, seed=0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def advance(normalizer, probabilities, weights):
    """One step of a monotonic normalizer whose p is given, from `weights` `(T,)`."""
    if not normalizer.built:
        normalizer.build((None, None, None))
    scores = logits(probabilities)[None, None]
    previous = np.asarray(weights, "float32")[None]
    (found,) = numbers([normalizer(scores, state=previous)])
    return found[0, 0]


def logits(probabilities):
    return np.float32(np.log(probabilities) - np.log1p(-np.float64(probabilities)))


def recursion(probabilities, weights):
    """Monotonic attention in float64, position by position."""
    found, reaching = [], 0.0
    for score, before in zip(np.float64(logits(probabilities)), np.float64(weights)):
        reaching += before
        found.append(reaching / (1 + np.exp(-score)))
        reaching /= 1 + np.exp(score)
    return np.array(found)


def one_hot(position, length):
    return np.eye(length, dtype="float32")[position]


def test_temperature_sharpens_below_one():
    scores = scores_of(1, 1, 9)
    sharp, plain, flat = (
        numbers([normalizers.Softmax(t)(scores)])[0].max() for t in (0.1, 1.0, 10.0)
    )
    assert sharp > plain > flat


def test_sigmoid_holds_where_every_sigmoid_underflows():
    (weights,) = numbers([normalizers.Sigmoid()(np.full((1, 1, 4), -500.0, "float32"))])
    np.testing.assert_allclose(weights, 0.25)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_sparse_weights_are_exactly_zero_and_sum_to_one(name):
    (weights,) = numbers([normalizers.get(name)(scores_of(4, 5, 30, scale=3))])
    assert (weights == 0).mean() > 0.5
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_sparse_weights_have_a_finite_gradient_where_two_scores_meet_the_threshold(name):
    # At equal scores, and where the second score just drops out, a square root is at zero.
    for scores in ([0.0, 0.0, 0.0], [0.0, -1.0, -5.0], [0.0, -2.0, -5.0]):
        scores = ops.convert_to_tensor([[scores]], "float32")
        normalizer = normalizers.get(name)

        def loss(scores, normalizer=normalizer):
            weights = normalizer(scores)
            return ops.sum(weights[..., 0]), weights

        _, (gradient,) = backends.differentiate(loss, [scores], [])
        gradient = numbers([gradient])[0]
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(gradient.sum(), 0, atol=1e-6)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_sparse_weights_equal_the_entmax_package(name, scale):
    entmax = pytest.importorskip("entmax", reason="the entmax package needs PyTorch")
    import torch

    scores = scores_of(3, 4, 50, scale=scale)
    theirs = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    expected = getattr(entmax, name)(theirs, dim=-1)
    factors = scores_of(3, 4, 50, seed=1)
    (expected * torch.tensor(factors)).sum().backward()
    normalizer = normalizers.get(name)

    def loss(scores):
        weights = normalizer(scores)
        return ops.sum(weights * ops.convert_to_tensor(factors)), weights

    found, (gradient,) = backends.differentiate(loss, [scores], [])
    (found, gradient) = numbers([found, gradient])
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=2e-6)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), atol=1e-5)


# One seed a draw: 20,000 draws are one call.
def draws(estimator, scores, count=20_000, **options):
    normalizer = normalizers.HardSample(estimator, seed=1, **options)
    scores = ops.broadcast_to(scores, (count, 1, len(scores)))
    return normalizer, scores, normalizer.noise((count, 1, scores.shape[-1]), "float32")


@pytest.mark.parametrize("estimator", ["straight_through", "score_function"])
def test_hard_samples_are_one_hot_and_drawn_from_the_softmax(estimator):
    scores = np.array([0.0, 1.0, -1.0, 2.0], "float32")
    normalizer, many, noise = draws(estimator, scores)
    (weights,) = numbers([normalizer(many, noise=noise)])
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert (weights.sum(axis=-1) == 1).all()
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(weights.mean(axis=(0, 1)), expected, atol=0.015)


def test_hard_samples_never_fall_on_what_is_masked():
    normalizer, many, noise = draws("straight_through", np.array([9.0, 0.0, 0.0], "float32"))
    mask = np.array([[[False, True, True]]])
    (weights,) = numbers([normalizer(many, mask=mask, noise=noise)])
    np.testing.assert_allclose(weights.mean(axis=(0, 1)), [0, 0.5, 0.5], atol=0.015)


def test_the_score_function_estimates_the_gradient_of_an_expected_reward():
    scores = np.array([0.3, -0.2, 0.8], "float32")
    rewards = np.array([1.0, 5.0, -2.0])
    p = np.exp(scores) / np.exp(scores).sum()
    expected = p * (rewards - (p * rewards).sum())
    normalizer, many, noise = draws("score_function", scores, count=200_000)

    def loss(scores):
        weights = normalizer(scores, noise=noise)
        reward = ops.stop_gradient(ops.sum(weights * ops.cast(rewards, weights.dtype), -1))
        return ops.mean(reward[..., None] * weights) * 3, weights

    _, (gradient,) = backends.differentiate(loss, [many], [])
    np.testing.assert_allclose(numbers([gradient])[0].sum(axis=(0, 1)), expected, atol=0.02)


def test_under_the_score_function_the_context_does_not_move_the_scores():
    attention = Attention("dot", normalizers.HardSample("score_function"))
    query, value = scores_of(2, 3, 4), scores_of(2, 5, 4, seed=1)

    def loss(query):
        context = attention(query, value)
        return ops.sum(context), context

    _, (gradient,) = backends.differentiate(loss, [query], [])
    assert not numbers([gradient])[0].any()


@pytest.mark.parametrize("mode", ["exact", "recursive"])
@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.99])
def test_monotonic_equals_the_recursion_on_500_positions(mode, p):
    rng = np.random.default_rng(2)
    probabilities = np.clip(rng.uniform(size=500) * 2 * p, 1e-6, 1 - 1e-6)
    for start in (one_hot(0, 500), one_hot(200, 500), rng.dirichlet(np.ones(500))):
        found = advance(normalizers.Monotonic(mode), probabilities, start)
        np.testing.assert_allclose(found, recursion(probabilities, start), rtol=2e-4, atol=1e-9)


@pytest.mark.parametrize("position", [60, 200, 450])
def test_monotonic_keeps_its_mass_where_the_closed_form_loses_it(position):
    half = np.full(500, 0.5)
    start = one_hot(position, 500)
    exact = advance(normalizers.Monotonic("exact"), half, start)
    parallel = advance(normalizers.Monotonic("parallel"), half, start)
    np.testing.assert_allclose(exact.sum(), 1, atol=1e-6)
    assert parallel.sum() < 1e-6


def test_the_closed_form_is_right_on_short_inputs():
    probabilities = np.random.default_rng(3).uniform(0.1, 0.9, size=12)
    start = one_hot(2, 12)
    found = advance(normalizers.Monotonic("parallel"), probabilities, start)
    np.testing.assert_allclose(found, recursion(probabilities, start), rtol=1e-4, atol=1e-7)


def test_hard_monotonic_reads_on_to_the_first_that_is_chosen():
    chosen = [0.9, 0.1, 0.2, 0.8, 0.9]
    hard = normalizers.Monotonic("hard")
    np.testing.assert_array_equal(advance(hard, chosen, one_hot(1, 5)), one_hot(3, 5))
    np.testing.assert_array_equal(advance(hard, chosen, one_hot(0, 5)), one_hot(0, 5))
    # Nothing is left to choose: nothing is attended to.
    np.testing.assert_array_equal(advance(hard, [0.1] * 5, one_hot(0, 5)), np.zeros(5))


def test_stepwise_keeps_its_mass_over_500_steps():
    normalizer = normalizers.StepwiseMonotonic()
    weights = one_hot(0, 20)
    rng = np.random.default_rng(4)
    for _ in range(500):
        weights = advance(normalizer, rng.uniform(0.2, 0.8, size=20), weights)
        np.testing.assert_allclose(weights.sum(), 1, atol=1e-3)
    np.testing.assert_allclose(weights, one_hot(19, 20), atol=1e-3)


def test_stepwise_does_not_walk_into_the_padding():
    normalizer = normalizers.StepwiseMonotonic()
    normalizer.build((None, None, None))
    mask = np.array([[[True, True, True, False, False]]])
    scores = np.full((1, 1, 5), -20.0, "float32")
    (found,) = numbers([normalizer(scores, mask=mask, state=one_hot(2, 5)[None])])
    np.testing.assert_allclose(found[0, 0], one_hot(2, 5), atol=1e-6)


@pytest.mark.parametrize("kind", [normalizers.Monotonic, normalizers.StepwiseMonotonic])
def test_the_first_focus_is_the_first_real_position(kind):
    mask = ops.convert_to_tensor([[False, True, True], [True, True, False]])
    memory = Memory(np.zeros((2, 3, 4), "float32"), np.zeros((2, 3, 4), "float32"), mask)
    (state,) = numbers([kind().initial_state(memory)])
    np.testing.assert_array_equal(state, [[0, 1, 0], [1, 0, 0]])


def attended(attention, training):
    query, value = scores_of(2, 3, 4), scores_of(2, 5, 4, seed=1)
    context = attention(query, value, training=training)
    return numbers([context])[0]


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.Monotonic(sigmoid_noise=1.0, seed=1),
        normalizers.StepwiseMonotonic(sigmoid_noise=1.0, seed=1),
        normalizers.HardSample(seed=1),
    ],
)
def test_noise_acts_only_while_training(normalizer):
    attention = Attention("dot", normalizer)
    np.testing.assert_array_equal(attended(attention, False), attended(attention, False))
    assert not np.allclose(attended(attention, True), attended(attention, True))


def test_another_mode_for_testing():
    soft = Attention("dot", normalizers.Monotonic("exact"))
    hard = Attention("dot", normalizers.Monotonic("hard"))
    both = Attention("dot", normalizers.Monotonic("exact", test_mode="hard"))
    np.testing.assert_array_equal(attended(both, True), attended(soft, True))
    np.testing.assert_array_equal(attended(both, False), attended(hard, False))


def test_score_bias_init_is_where_the_bias_starts():
    attention = Attention("dot", normalizers.Monotonic(score_bias_init=-3.0))
    attended(attention, False)
    assert numbers([attention.normalizer.score_bias]) == [-3.0]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_makes_an_attention_that_trains(name):
    inputs = keras.Input((3, 4)), keras.Input((5, 4))
    context = Attention("dot", name)(inputs[0], keras.layers.Dense(4)(inputs[1]))
    model = keras.Model(inputs, keras.layers.Dense(4)(context))
    model.compile("sgd", "mse", run_eagerly=False)
    data = [scores_of(6, 3, 4), scores_of(6, 5, 4, seed=1)]
    history = model.fit(data, scores_of(6, 3, 4, seed=2), epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
