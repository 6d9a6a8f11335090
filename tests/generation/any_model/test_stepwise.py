"""A functional model decodes step by step with the numbers of its forward pass."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_attention import LuongAttention
from keras_attention.generation import BeamSearch, Decoder, as_decoder
from keras_attention.text import SpecialIds
from tests.support.local_differences import local_differences
from tests.support.tables import one_in

from .models import MODELS, ON_PREFIX
from .stepping import along, check, decoder_of, example, target

# Keras says so of every model inside a model, though its layers see the mask.
pytestmark = pytest.mark.filterwarnings("ignore:Layer 'inner'.*was passed an input with a mask")


@pytest.fixture(scope="module")
def made():
    """Each model, made once."""
    found = {}

    def get(name):
        if name not in found:
            keras.utils.set_random_seed(0)
            found[name] = MODELS[name]()
        return found[name]

    return get


def names_on_prefix(model, name):
    wanted = ON_PREFIX.get(name, ())
    names = decoder_of(model).rules
    return [one for one in names if any(part in one for part in wanted)]


@pytest.mark.parametrize("name", one_in(2, MODELS))
def test_steps_give_the_numbers_of_the_forward_pass(made, name):
    model = made(name)
    decoder = decoder_of(model, names_on_prefix(model, name))
    for beams in (1, 3):
        check(model, decoder, beams)


@pytest.mark.parametrize("name", one_in(4, MODELS))
def test_a_wrong_result_shows_at_the_call_that_makes_it(made, name):
    model = made(name)
    decoder = decoder_of(model)
    inputs = example(model, decoder.ports)
    found = local_differences(decoder, inputs, target(2, padded=False))
    wrong = [one for one, difference in found.items() if difference > 1e-4]
    assert wrong == names_on_prefix(model, name)


def test_the_memory_is_no_part_of_what_changes(made):
    decoder = decoder_of(made("bahdanau_and_gru"))
    assert isinstance(decoder, Decoder)
    state = decoder.start(example(decoder.model, decoder.ports))
    assert set(state) == {"memory", "decoder"}
    (name,) = state["memory"]
    assert name.startswith("bahdanau_attention")


def test_beam_search(made):
    decoder = decoder_of(made("bahdanau_and_gru"))
    found = BeamSearch(num_beams=3, max_length=4)(decoder, example(decoder.model, decoder.ports))
    assert np.shape(found.sequences)[:2] == (2, 3)


def luong_with_mask(special_ids):
    keras.utils.set_random_seed(0)
    source, ids = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    memory = keras.layers.Embedding(9, 6)(source)
    states = keras.layers.GRU(6, return_sequences=True)(
        keras.layers.Embedding(9, 6, mask_zero=True)(ids)
    )
    context = LuongAttention()(states, memory)
    model = keras.Model([source, ids], keras.layers.Dense(9)(context))
    return model, as_decoder(model, special_ids=special_ids)


@pytest.mark.parametrize(
    "special_ids", [SpecialIds(), SpecialIds(pad=1, start=0), SpecialIds(start=0)]
)
def test_a_mask_that_is_false_on_a_start_counts(special_ids):
    model, decoder = luong_with_mask(special_ids)
    source, ids = np.array([[4, 5, 6]]), np.array([[special_ids.start, 5, 4, 7]])
    got, _ = along(decoder, source, ids)
    np.testing.assert_allclose(got, model([source, ids]), atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads a TensorFlow graph")
def test_a_mask_of_padding_alone_costs_nothing():
    import tensorflow as tf

    selects = {}
    for name, special_ids in {"alone": SpecialIds(), "start": SpecialIds(start=0)}.items():
        _, decoder = luong_with_mask(special_ids)
        state = decoder.start(np.array([[4, 5, 6]]))
        step = tf.function(lambda tokens: decoder.step(tokens, state))  # noqa: B023
        graph = step.get_concrete_function(tf.TensorSpec((None,), "int32")).graph
        selects[name] = sum(one.type == "SelectV2" for one in graph.get_operations())
    # Without the mask, the state and the output of the GRU are not chosen.
    assert selects["start"] - selects["alone"] >= 2
