"""The columns of the table: what holds for every variant, one test a property."""

import keras
import numpy as np
import pytest
from keras import layers, ops, tree

from keras_attention._core.checks import score_dtype
from keras_attention._core.structure import map_tensors
from tests.conformance.variants import (
    ATTENTIONS,
    QUERY_MASK,
    QUERY_SIZE,
    RECURRENT,
    VARIANTS,
    call,
)
from tests.support import backends
from tests.support.backends import numbers
from tests.support.tables import one_in, thinned

POLICIES = ["float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
QUICK = ["float32", "mixed_float16"]


def table(rows):
    return pytest.mark.parametrize("variant", rows, ids=lambda variant: variant.name)


def assert_equal(found, expected, atol=2e-6):
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol)


def loss(outputs, weights):
    """A scalar to which every real output and weight contributes something else."""
    rng = np.random.default_rng(3)
    total = 0.0
    # Only what is there without extra padding, so that losses can be compared.
    for tensor in (outputs[:, :3], weights[:, :3, :5]):
        dtype = score_dtype(keras.backend.standardize_dtype(tensor.dtype))
        factors = ops.convert_to_tensor(rng.normal(size=tensor.shape), dtype)
        total += ops.sum(ops.cast(tensor, dtype) * factors)
    return total


def forward_and_back(layer, inputs):
    """Outputs and weights, and the gradients of `loss`.

    The gradients are those of the two tensors in `inputs`, then of every weight.
    """
    first, value, *_ = inputs

    def compute(*tensors):
        found = call(layer, {**inputs, first: tensors[0], value: tensors[1]})
        return loss(*found), found

    tensors = [inputs[first], inputs[value]]
    return backends.differentiate(compute, tensors, layer.trainable_variables)


@table(VARIANTS)
@pytest.mark.usefixtures("float64")
def test_equals_the_naive_reference(variant):
    layer, inputs = variant.built("float64"), variant.inputs("float64")
    assert_equal(call(layer, inputs), variant.reference(layer, inputs), atol=1e-10)


@table([variant for variant in VARIANTS if variant.smooth])
@pytest.mark.usefixtures("float64")
def test_gradients_equal_finite_differences(variant):
    layer, inputs = variant.built("float64"), variant.inputs("float64")
    first, value, *_ = inputs
    rng, step = np.random.default_rng(4), 1e-6

    def central_difference(change):
        change(step)
        (ahead,) = numbers([loss(*call(layer, inputs))])
        change(-2 * step)
        (behind,) = numbers([loss(*call(layer, inputs))])
        change(step)
        return (ahead - behind) / (2 * step)

    found = numbers(forward_and_back(layer, inputs)[1])
    for name, gradient in zip([first, value], found):
        direction = rng.normal(size=inputs[name].shape)

        def move(by, name=name, direction=direction):
            inputs[name] = inputs[name] + by * direction

        expected = central_difference(move)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-5, atol=1e-8)
    for variable, gradient in zip(layer.trainable_variables, found[2:]):
        direction = rng.normal(size=variable.shape)

        def move(by, variable=variable, direction=direction):
            variable.assign(variable + by * direction)

        expected = central_difference(move)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-5, atol=1e-8)


@table([variant for variant in VARIANTS if variant.smooth])
@pytest.mark.usefixtures("float64")
def test_second_derivatives_equal_finite_differences(variant):
    layer, inputs = variant.built("float64"), variant.inputs("float64")
    first, value, *_ = inputs
    variables = layer.trainable_variables
    tensors = [inputs[first], inputs[value]]
    rng, step = np.random.default_rng(6), 1e-5

    def compute(*tensors):
        found = call(layer, {**inputs, first: tensors[0], value: tensors[1]})
        return loss(*found), found

    shapes = [tuple(source.shape) for source in (*tensors, *variables)]
    along, across = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))

    def slope(by):
        moved = [tensor + by * move for tensor, move in zip(tensors, across)]
        kept = [np.array(numbers([variable])[0]) for variable in variables]
        for variable, at, move in zip(variables, kept, across[2:]):
            variable.assign(at + by * move)
        gradients = numbers(backends.differentiate(compute, moved, variables)[1])
        for variable, at in zip(variables, kept):
            variable.assign(at)
        return sum(np.sum(gradient * move) for gradient, move in zip(gradients, along))

    found = numbers(backends.differentiate_twice(compute, tensors, variables, along))
    found = sum(np.sum(gradient * move) for gradient, move in zip(found, across))
    expected = (slope(step) - slope(-step)) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@table(VARIANTS)
@pytest.mark.parametrize("masks", ["none", "query", "value", "both"])
def test_masked_equals_sliced(variant, masks):
    layer, inputs = variant.built(), variant.inputs()
    query_mask, value_mask = QUERY_MASK, variant.value_mask
    if masks in ("none", "value"):
        del inputs[f"{variant.first}_mask"]
        query_mask = np.ones_like(query_mask)
    if masks in ("none", "query"):
        del inputs["value_mask"]
        value_mask = np.ones_like(value_mask)
    outputs, weights = numbers(call(layer, inputs))
    for row, (real, kept) in enumerate(zip(query_mask, value_mask)):
        sliced = {
            variant.first: inputs[variant.first][row : row + 1, real],
            "value": inputs["value"][row : row + 1, kept],
        }
        found = outputs[row, real], weights[row, real][:, kept]
        assert_equal(found, [tensor[0] for tensor in call(layer, sliced)])
        assert not outputs[row, ~real].any()
        assert not weights[row, ~real].any()
        assert not weights[row][:, ~kept].any()


@table(VARIANTS)
def test_extra_padding_changes_nothing_whatever_stands_in_it(variant):
    layer, inputs = variant.built(), variant.inputs()
    padded = {}
    for name, array in inputs.items():
        padded[name] = np.pad(array, [(0, 0), (0, 3), (0, 0)][: array.ndim])
        if array.ndim == 3:
            padded[name][:, -3:] = [[1e4], [np.nan], [np.inf]]
    (outputs, weights), found = map(numbers, forward_and_back(layer, padded))
    expected, expected_gradients = forward_and_back(layer, inputs)
    assert_equal((outputs[:, :3], weights[:, :3, :5]), expected)
    assert not outputs[:, 3:].any()
    assert_equal([found[0][:, :3], found[1][:, :5], *found[2:]], expected_gradients)
    assert not found[0][:, 3:].any()
    assert not found[1][:, 5:].any()


@table(VARIANTS)
@pytest.mark.parametrize("policy", thinned(POLICIES, lambda policy: policy not in QUICK))
def test_a_row_that_is_all_masked_gives_zeros(variant, policy):
    layer, inputs = variant.built(policy), variant.inputs()
    inputs["value_mask"] = variant.value_mask & np.array([[True], [False], [True]])
    inputs[f"{variant.first}_mask"] = QUERY_MASK & np.array([[True], [True], [False]])
    found, gradients = map(numbers, forward_and_back(layer, inputs))
    outputs, weights = found

    assert all(np.isfinite(array).all() for array in (*found, *gradients))
    assert not weights[1:].any()
    assert not outputs[2].any()
    if variant in ATTENTIONS:
        assert not outputs[1].any()
    assert not gradients[1][1].any(), "the gradient of a value that nothing sees"
    assert not gradients[0][2].any(), "the gradient of a query that is padding"


@table(ATTENTIONS)
@pytest.mark.parametrize("policy", thinned(POLICIES[1:], lambda policy: policy not in QUICK))
def test_large_scores_stay_finite_in_half_precision(variant, policy):
    layer, inputs = variant.built(policy), variant.inputs()
    del inputs["query_mask"]
    inputs["query"] *= 100
    inputs["value"] *= 100
    for variable in layer.weights:
        if variable.path.endswith("/v"):
            variable.assign(1e4 * np.sign(numbers([variable])[0]))
        if variable.path.endswith("/g"):
            variable.assign(1e4)
        if variable.path.endswith("/log_scale"):
            variable.assign(10.0)
        if variable.path.endswith("/parameters/bias"):
            # The narrowest components.
            variable.assign(np.full(variable.shape, 1e4 if "v0" in variant.name else -1e4))
    if "multi_head" not in variant.name:
        memory = layer.memory(inputs["value"], mask=variant.value_mask)
        looks_back = layer.initial_state(memory).score
        looks_back = looks_back if tree.flatten(looks_back) else None
        query = inputs["query"][:, :1]
        (scores,) = numbers([layer.score(query, inputs["value"], looks_back)])
        assert np.abs(scores).max() > (90 if "cosine" in variant.name else 9e3)

    found, gradients = map(numbers, forward_and_back(layer, inputs))
    assert all(np.isfinite(array).all() for array in (*found, *gradients[2:]))
    if variant.sums_to_one:
        np.testing.assert_allclose(found[1].sum(axis=-1), 1, atol=1e-2)
    else:
        assert found[1].sum(axis=-1).max() < 1.01


@table(ATTENTIONS)
def test_calling_over_a_sequence_equals_stepping(variant):
    layer, inputs = variant.built(), variant.inputs()
    del inputs["query_mask"]
    memory = layer.memory(inputs["value"], mask=variant.value_mask)
    state, steps = layer.initial_state(memory), []
    for t in range(3):
        *found, state = layer.step(inputs["query"][:, t], memory, state)
        steps.append(found)
    assert_equal([ops.stack(part, axis=1) for part in zip(*steps)], call(layer, inputs))


@table(RECURRENT)
def test_calling_a_recurrence_equals_stepping(variant):
    layer, inputs = variant.built(), variant.inputs()
    del inputs["sequence_mask"]
    memory = layer.attention.memory(inputs["value"], mask=variant.value_mask)
    state, steps = layer.initial_state(memory), []
    for t in range(3):
        *found, state = layer.step(inputs["sequence"][:, t], memory, state)
        steps.append(found)
    outputs, weights, last = call(layer, inputs, return_state=True)
    assert_equal([ops.stack(part, axis=1) for part in zip(*steps)], (outputs, weights))
    assert_equal(tree.flatten(state), tree.flatten(last))


@table(VARIANTS)
def test_gathering_a_state_by_rows_equals_running_these_rows(variant):
    """As beam search does it: hypotheses change places between two steps."""
    layer, inputs = variant.built(), variant.inputs()
    attention = layer if variant in ATTENTIONS else layer.attention
    memory = attention.memory(inputs["value"], mask=variant.value_mask)
    first, then = inputs[variant.first][:, 0], inputs[variant.first][:, 1]
    *_, state = layer.step(first, memory, layer.initial_state(memory))
    expected = layer.step(then, memory, state)
    rows = np.array([2, 0, 2, 1])

    def gather(structure):
        return map_tensors(lambda tensor: ops.take(tensor, rows, axis=0), structure)

    found = layer.step(then[rows], gather(memory), gather(state))
    assert_equal(tree.flatten(found), tree.flatten(gather(expected)))


def functional(variant, layer):
    """Ids to embeddings with implicit masks to the layer; batch and lengths unknown."""
    first = keras.Input((None,), dtype="int32", name=variant.first)
    value = keras.Input((None,), dtype="int32", name="value")
    embedded = layers.Embedding(9, QUERY_SIZE, mask_zero=True, name="first_embedding")(first)
    memory = layers.Embedding(9, variant.value_size, mask_zero=True, name="embedding")(value)
    outputs = layer(embedded, memory, return_attention_scores=True)
    return keras.Model([first, value], outputs)


def ids(mask):
    drawn = np.random.default_rng(5).integers(1, 9, mask.shape)
    return np.where(mask, drawn, 0)


def explicit(variant, model, layer, first, value):
    """The same as a functional model computes, with masks given as arguments."""
    inputs = {
        variant.first: np.asarray(model.get_layer("first_embedding").embeddings)[first],
        "value": np.asarray(model.get_layer("embedding").embeddings)[value],
        f"{variant.first}_mask": first != 0,
        "value_mask": value != 0,
    }
    return call(layer, inputs)


@table(VARIANTS)
def test_implicit_masks_equal_explicit_masks(variant):
    layer = variant.built()
    model = functional(variant, layer)
    given = ids(QUERY_MASK), ids(variant.value_mask)
    assert_equal(model(given), explicit(variant, model, layer, *given))


@table(VARIANTS)
def test_batch_and_lengths_may_be_unknown(variant):
    layer = variant.built()
    model = functional(variant, layer)
    assert [output.shape[:2] for output in model.outputs] == [(None, None)] * 2
    assert model.outputs[1].shape == (None, None, None)
    predict = backends.with_unknown_sizes(
        lambda first, value: model([first, value]), (2, "int32"), (2, "int32")
    )
    for batch, queries, positions in ((2, 3, 5), (1, 4, 1), (3, 1, 2)):
        given = ids(np.ones((batch, queries), bool)), ids(np.ones((batch, positions), bool))
        assert_equal(predict(*given), explicit(variant, model, layer, *given))


@table(VARIANTS)
def test_config_round_trip(variant):
    layer, inputs = variant.built(), variant.inputs()
    again = type(layer).from_config(layer.get_config())
    expected = call(layer, inputs)
    call(again, inputs)
    again.set_weights(layer.get_weights())
    assert_equal(call(again, inputs), expected, atol=0)
    assert again.get_config() == layer.get_config()


@table(VARIANTS)
def test_saved_and_loaded_gives_the_same_numbers(variant, tmp_path):
    model = functional(variant, variant.built())
    given = ids(QUERY_MASK), ids(variant.value_mask)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert_equal(loaded(given), model(given), atol=0)


@table(one_in(3, [variant for variant in VARIANTS if variant.compiled]))
def test_xla_equals_eager(variant):
    layer, inputs = variant.built(), variant.inputs()

    compiled = backends.compiled(lambda tensors: forward_and_back(layer, tensors))
    found, gradients = compiled(inputs)
    expected, expected_gradients = forward_and_back(layer, inputs)
    assert_equal(found, expected)
    assert_equal(gradients, expected_gradients, atol=1e-5)
