"""The columns of the table: what holds for every variant, one test a property.

The properties are those of `keras_attention.testing`, which users try on classes of their own.
"""

import keras
import numpy as np
import pytest
from keras import tree

from keras_attention.testing import _derivatives as derivatives
from keras_attention.testing import _properties as properties
from keras_attention.testing._derivatives import forward_and_back
from keras_attention.testing._properties import MASKS, POLICIES
from tests.conformance.variants import ATTENTIONS, VARIANTS
from tests.support.backends import numbers
from tests.support.tables import one_in, thinned

QUICK = ["float32", "mixed_float16"]


def table(rows):
    return pytest.mark.parametrize("variant", rows, ids=lambda variant: variant.name)


@table(one_in(3, ATTENTIONS))
def test_a_second_call_gives_the_same(variant):
    properties.a_second_call_gives_the_same(variant)


@table(one_in(3, ATTENTIONS))
def test_extreme_inputs_stay_finite(variant):
    properties.extreme_inputs_stay_finite(variant)


@table(VARIANTS)
def test_equals_the_naive_reference(variant):
    assert variant.reference is not None
    properties.equals_the_naive_reference(variant)


@table(one_in(3, [variant for variant in VARIANTS if variant.smooth]))
def test_gradients_equal_finite_differences(variant):
    derivatives.gradients_equal_finite_differences(variant)


@table(one_in(4, [variant for variant in VARIANTS if variant.smooth]))
def test_second_derivatives_equal_finite_differences(variant):
    derivatives.second_derivatives_equal_finite_differences(variant)


@table(one_in(3, VARIANTS))
@pytest.mark.parametrize("masks", thinned(MASKS, lambda masks: masks in ("query", "value")))
def test_masked_equals_sliced(variant, masks):
    properties.masked_equals_sliced(variant, masks)


@table(one_in(3, VARIANTS))
def test_extra_padding_changes_nothing_whatever_stands_in_it(variant):
    properties.extra_padding_changes_nothing_whatever_stands_in_it(variant)


@table(one_in(3, VARIANTS))
@pytest.mark.parametrize("policy", thinned(POLICIES, lambda policy: policy not in QUICK))
def test_a_row_that_is_all_masked_gives_zeros(variant, policy):
    properties.a_row_that_is_all_masked_gives_zeros(variant, policy)


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


@table(VARIANTS)
def test_calling_over_a_sequence_equals_stepping(variant):
    properties.calling_over_a_sequence_equals_stepping(variant)


@table(VARIANTS)
def test_gathering_a_state_by_rows_equals_running_these_rows(variant):
    properties.gathering_a_state_by_rows_equals_running_these_rows(variant)


@table(one_in(3, VARIANTS))
def test_implicit_masks_equal_explicit_masks(variant):
    properties.implicit_masks_equal_explicit_masks(variant)


@table(one_in(5, VARIANTS))
def test_batch_and_lengths_may_be_unknown(variant):
    properties.batch_and_lengths_may_be_unknown(variant)


@table(one_in(2, VARIANTS))
def test_config_round_trip(variant):
    properties.config_round_trip(variant)


@table(one_in(3, VARIANTS))
def test_saved_and_loaded_gives_the_same_numbers(variant):
    properties.saved_and_loaded_gives_the_same_numbers(variant)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras on torch has no XLA")
@table(one_in(12, [variant for variant in VARIANTS if variant.compiled]))
def test_xla_equals_eager(variant):
    properties.xla_equals_eager(variant)
