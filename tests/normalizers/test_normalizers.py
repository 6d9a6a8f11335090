"""What each normalizer promises beyond the table: sparsity, mass, noise, estimated gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    Attention,
    AttentionRNN,
    MultiHeadAttention,
    normalizers,
)
from keras_attention._core import masks
from keras_attention._core.memory import Memory
from keras_attention.normalizers.registry import NAMES
from keras_attention.scores import General
from keras_attention.vision import GatedAttention
from tests.support import backends
from tests.support.backends import numbers
from tests.support.tables import one_in


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


@pytest.mark.parametrize("name", ["softmax", "sigmoid", "sparsemax", "entmax15"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.usefixtures("float64")
def test_second_derivatives_equal_finite_differences(name, masked):
    normalizer, step = normalizers.get(name, dtype="float64"), 1e-5
    mask = np.array([[[True, True, True, False, True]]]) if masked else None
    rng = np.random.default_rng(5)
    factors, along, across = rng.normal(size=(3, 2, 1, 5))
    scores = np.array([[[0.5, 0.2, 0.0, 9.0, -0.3]], [[1.1, 0.9, -4.0, 1e3, 0.8]]])
    if not masked:
        scores[..., 3] = 0.35

    def compute(scores):
        # Not linear in the weights, so that their first derivatives count too.
        weights = normalizer(scores, mask=mask)
        return ops.sum(ops.square(weights) * ops.convert_to_tensor(factors)), weights

    (found,) = numbers(backends.differentiate_twice(compute, [scores], [], [along]))
    ahead, behind = (
        numbers(backends.differentiate(compute, [scores + by * across], [])[1])[0]
        for by in (step, -step)
    )
    expected = np.sum((ahead - behind) * along) / (2 * step)
    np.testing.assert_allclose(np.sum(found * across), expected, rtol=1e-6, atol=1e-7)


EXTREME = {"float16": -6e4, "bfloat16": -3e38, "float32": -3e38}
# Whose weights sum to 1.
STATELESS = sorted(set(NAMES) - {"exponential", "monotonic", "stepwise_monotonic"})


@pytest.mark.parametrize("name", STATELESS)
@pytest.mark.parametrize("dtype", EXTREME)
@pytest.mark.parametrize("low", [1e-10, 0.5, 1.0])
def test_low_scores_get_the_weights_that_they_have_without_a_mask(name, dtype, low):
    """-1e30 is not low enough to stand for what is masked: scores may be lower."""
    low = low * EXTREME[dtype]
    scores = ops.cast(np.array([[[9.0, low, low, 1.0], [0.0, low, low, 9.0]]]), dtype)
    mask = np.array([[[False, True, True, False]]])
    normalizer = normalizers.get(name)

    def compute(scores):
        weights = normalizer(scores, mask=mask)
        # Torch refuses to differentiate what does not depend on the scores, as with hardmax.
        return ops.sum(ops.square(weights[..., 1]) + 0 * scores[..., 1]), weights

    found, (gradient,) = backends.differentiate(compute, [scores], [])
    found, gradient, expected = numbers([found, gradient, normalizer(scores[..., 1:3])])
    np.testing.assert_array_equal(found[..., 1:3], expected)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-2)
    assert not found[..., [0, 3]].any()
    assert np.isfinite(gradient).all()
    assert not gradient[..., [0, 3]].any()


@pytest.mark.parametrize("name", STATELESS)
@pytest.mark.parametrize("dtype", EXTREME)
def test_a_query_that_sees_nothing_gets_zeros_in_every_precision(name, dtype):
    scores = ops.cast(scores_of(2, 3, 4), dtype)
    mask = np.array([[[True] * 4], [[False] * 4]])
    normalizer = normalizers.get(name)

    def compute(scores):
        weights = normalizer(scores, mask=mask)
        return ops.sum(weights[..., 1] + 0 * scores[..., 1]), weights

    found, (gradient,) = backends.differentiate(compute, [scores], [])
    found, gradient = numbers([found, gradient])
    assert np.isfinite(found).all() and np.isfinite(gradient).all()
    assert not found[1].any() and not gradient[1].any()
    np.testing.assert_allclose(found[0].sum(axis=-1), 1, atol=2e-2)


@pytest.mark.parametrize("dtype", EXTREME)
def test_log_probabilities_under_a_mask(dtype):
    scores = ops.cast(np.array([[1.0, 2.0, 9.0], [1.0, 2.0, 9.0]]), dtype)
    mask = np.array([[True, True, False], [False] * 3])
    (found,) = numbers([masks.masked_log_softmax(scores, ops.convert_to_tensor(mask))])
    expected = np.array([1.0, 2.0]) - np.log(np.exp(1.0) + np.exp(2.0))
    np.testing.assert_allclose(found[0, :2], expected, rtol=1e-2)
    lowest = masks.IMPOSSIBLE if dtype != "float16" else -65504
    np.testing.assert_allclose(found[0, 2], lowest, rtol=1e-2)
    np.testing.assert_allclose(found[1], lowest, rtol=1e-2)


def test_log_probabilities_of_low_scores():
    scores, mask = ops.convert_to_tensor([[-3e38, -3e38, 0.0]], "float32"), [[True, True, False]]
    (found,) = numbers([masks.masked_log_softmax(scores, ops.convert_to_tensor(mask))])
    np.testing.assert_allclose(found[0, :2], np.log(0.5), rtol=1e-6)


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
        # Torch refuses to differentiate what does not depend on the query.
        return ops.sum(context) + 0 * ops.sum(query), context

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


MODES = [("soft", normalizers.StepwiseMonotonic), ("exact", normalizers.Monotonic)]


@pytest.mark.parametrize(("mode", "kind"), MODES)
def test_a_mask_of_queries_alone_changes_nothing_for_real_queries(mode, kind):
    normalizer = kind(mode)
    normalizer.build((None, None, None))
    scores, state = scores_of(2, 1, 5), np.float32([one_hot(0, 5), one_hot(2, 5)])
    asks = np.array([[[True]], [[True]]])
    expected, found = numbers(
        [normalizer(scores, state=state), normalizer(scores, mask=asks, state=state)]
    )
    assert expected[0, 0, 1] > 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "attention",
    [
        lambda: Attention("dot", "stepwise_monotonic"),
        lambda: MultiHeadAttention(2, 4, normalizer="stepwise_monotonic"),
        lambda: GatedAttention("dot", "stepwise_monotonic"),
    ],
    ids=["attention", "multi_head", "gated"],
)
def test_stepwise_moves_on_under_a_query_mask_alone(attention):
    layer, query, value = attention(), scores_of(2, 3, 4), scores_of(2, 5, 4, seed=1)
    mask = np.array([[True, True, True], [True, False, True]])
    _, expected = layer(query, value, return_attention_scores=True)
    _, found = layer(query, value, query_mask=mask, return_attention_scores=True)
    expected, found = numbers([expected, found])
    assert (expected[0, ..., 2, 1:4] > 0).all()
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


def test_a_recurrence_without_input_feeding_equals_its_own_steps_under_stepwise_attention():
    layer = AttentionRNN(
        keras.layers.GRUCell(4), Attention("dot", "stepwise_monotonic"), input_feeding=False
    )
    sequence, value = scores_of(2, 4, 3), scores_of(2, 5, 4, seed=1)
    mask = np.ones((2, 4), bool)
    _, weights = layer(sequence, value, sequence_mask=mask, return_attention_scores=True)
    memory = layer.attention.memory(value)
    state, found = layer.initial_state(memory), []
    for step in range(4):
        _, one, state = layer.step(sequence[:, step], memory, state)
        found.append(numbers([one])[0])
    np.testing.assert_allclose(np.stack(found, 1), numbers([weights])[0], atol=1e-6)
    assert found[-1][0, 1] > 0


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


def positions_to_find(name, rng, examples=128, steps=3, length=5):
    """For every step a position that the normalizer can reach from that of the step before."""
    if name == "stepwise_monotonic":
        return np.cumsum(rng.integers(0, 2, (examples, steps)), axis=1)
    found = np.stack([rng.permutation(length)[:steps] for _ in range(examples)])
    return np.sort(found, axis=1) if name == "monotonic" else found


def trained(name, rng):
    """An attention trained to find the key that the query gives: its value is the target.

    Returns:
        The weights at the positions to be found before and after training, and the losses.
    """
    where = positions_to_find(name, rng)
    key = np.eye(5)[np.stack([rng.permutation(5) for _ in where])]
    value = rng.choice([-1.0, 1.0], (len(where), 5, 1))
    query = np.take_along_axis(key, where[..., None], axis=1)
    target = np.take_along_axis(value, where[..., None], axis=1)

    inputs = keras.Input((3, 5)), keras.Input((5, 1)), keras.Input((5, 5))
    # From equal scores on: a sparse normalizer has no gradient where it gives no weight.
    attention = Attention(General(kernel_initializer="zeros"), name)
    context, weights = attention(*inputs, return_attention_scores=True)
    model, attending = keras.Model(inputs, context), keras.Model(inputs, weights)
    model.compile(keras.optimizers.Adam(0.2), "mse", jit_compile=False)

    def weights_at_target():
        (found,) = numbers([attending([query, value, key])])
        return np.take_along_axis(found, where[..., None], axis=-1).mean()

    before = weights_at_target()
    history = model.fit([query, value, key], target, batch_size=64, epochs=40, verbose=0)
    return before, weights_at_target(), history.history["loss"]


@pytest.mark.parametrize("name", one_in(4, sorted(set(NAMES) - {"exponential", "hardmax"})))
def test_the_weights_learn_to_find_what_the_query_asks_for(name, rng):
    before, after, losses = trained(name, rng)
    assert before < 0.5
    assert after > 0.95
    assert losses[-1] < 0.1 * losses[0]


def test_exponential_of_any_score_fits_float16():
    found = normalizers.Exponential()(np.float32([[[-1e9, 0.0, 10.0, 1e9]]]))
    np.testing.assert_allclose(found, [[[0.0, 1.0, np.exp(10), np.exp(10)]]], rtol=1e-6)
    assert np.exp(10) < np.finfo("float16").max


def test_hardmax_has_no_gradient():
    def loss(scores):
        weights = normalizers.Hardmax()(scores)
        factors = ops.convert_to_tensor(scores_of(2, 3, 5, seed=1))
        return ops.sum(weights * factors + 0 * scores), weights

    _, (gradient,) = backends.differentiate(loss, [scores_of(2, 3, 5)], [])
    assert not numbers([gradient])[0].any()
