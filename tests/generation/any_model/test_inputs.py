"""What `start` takes, and which positions of the source are real."""

from __future__ import annotations

import numpy as np
import pytest
from keras import layers, ops, tree

from keras_attention import LuongAttention, MultiHeadAttention
from keras_attention.generation.any_model.graph import numbers_of_source_ids
from keras_attention.generation.any_model.ports import Ports
from keras_attention.generation.any_model.prefix import PrefixDecoder
from keras_attention.generation.any_model.stepwise import StepwiseDecoder

from .models import MODELS, finished, source, target
from .stepping import along, check, decoder_of, example


@pytest.fixture(scope="module")
def two_sources():
    return decoder_of(MODELS["two_sources"]())


def test_sources_by_name_or_in_order(two_sources):
    inputs = example(two_sources.model, two_sources.ports)
    by_name = two_sources.start({**inputs, "target": np.zeros((2, 3), int)})
    in_order = two_sources.start([inputs[name] for name in two_sources.ports.sources])
    for one, other in zip(tree.flatten(by_name), tree.flatten(in_order)):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"source": [[4, 5]]}, "'source', 'image', received 'source'"),
        ({}, "received nothing"),
        ([[[4, 5]]], "as a dictionary or a list, received list"),
        (np.array([[4, 5]]), "as a dictionary or a list, received ndarray"),
    ],
)
def test_sources_that_are_not_all_there(two_sources, inputs, message):
    with pytest.raises(ValueError, match=f"^inputs: expected the sources .*{message}"):
        two_sources.start(inputs)


def test_the_only_source_alone():
    decoder = decoder_of(MODELS["attention_rnn"]())
    ids = [[4, 5, 6], [7, 8, 0]]
    state, other = decoder.start(ids), decoder.start({"source": ids})
    np.testing.assert_array_equal(tree.flatten(state)[0], tree.flatten(other)[0])


@pytest.mark.parametrize("make", [StepwiseDecoder, PrefixDecoder])
def test_ids_that_an_embedding_does_not_have_are_unknown(make):
    decoder = decoder_of(MODELS["attention_rnn"]())
    (size,) = numbers_of_source_ids(decoder.model, ("source",)).values()
    decoder = make(decoder.model, decoder.ports)
    states = [decoder.start([[4, i, 6], [7, j, 0]]) for i, j in ((-1, size), (3, 3))]
    for one, other in zip(*map(tree.flatten, states), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)


def test_the_real_positions_of_the_source():
    decoder = decoder_of(MODELS["attention_rnn"]())
    mask = decoder.source_mask(np.array([[4, 5, 6], [7, 8, 0]]))
    np.testing.assert_array_equal(mask, [[True, True, True], [True, True, False]])
    ports = decoder.ports._replace(special_ids=decoder.special_ids._replace(pad=6))
    mask = type(decoder)(decoder.model, ports).source_mask([[4, 5, 6]])
    np.testing.assert_array_equal(mask, [[True, True, False]])


def test_all_positions_of_an_image_are_real(two_sources):
    # The weights of the second attention of two.
    decoder = type(two_sources)(two_sources.model, two_sources.ports._replace(weights=1))
    inputs = example(decoder.model, decoder.ports)
    assert decoder.source_mask(inputs) is None
    assert check(decoder.model, decoder).shape[-1] == 6


def test_a_target_side_without_a_state_tells_the_number_of_examples():
    (x, (_, h, _)), (y, e) = source(), target(mask_zero=False)
    decoder = decoder_of(finished(x, y, e + layers.Reshape((1, 8))(h)))
    state = decoder.start([[4, 5, 6], [7, 8, 0]])
    assert [len(x) for x in tree.flatten(state["memory"])] == [2]
    # A model that does not read its source.
    decoder = decoder_of(finished(x, y, e))
    state = decoder.start([[4, 5, 6], [7, 8, 0]])
    assert [len(x) for x in tree.flatten(state)] == [2]
    logits, _, weights = decoder.step(ops.convert_to_tensor([4, 5]), state)
    assert tuple(logits.shape) == (2, 12)
    assert weights is None


def test_weights_over_another_source(two_sources):
    # The first attention, whose weights the layer returns before those of the second.
    ports = two_sources.ports._replace(weights=2)
    decoder = type(two_sources)(two_sources.model, ports)
    inputs = example(decoder.model, ports)
    assert tuple(decoder.source_mask(inputs).shape) == (2, 4)
    for beams in (1, 3):
        assert check(decoder.model, decoder, beams).shape[-1] == 4


def test_weights_over_the_target_are_not_shown():
    (x, (memory, *_)), (y, e) = source(), target()
    own, weights = MultiHeadAttention(2, 4)(
        e, e, use_causal_mask=True, return_attention_scores=True
    )
    model = finished(x, y, own + LuongAttention()(own, memory), weights)
    decoder = StepwiseDecoder(model, Ports(("source",), "target", weights=1))
    _, shown = along(decoder, {"source": [[4, 5, 6]]}, np.ones((1, 2), "int32"))
    assert shown.shape == (1, 2, 3)
