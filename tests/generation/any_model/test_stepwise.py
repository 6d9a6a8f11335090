"""A functional model decodes step by step with the numbers of its forward pass."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from keras_attention import (
    Attention,
    AttentionRNN,
    BahdanauAttention,
    LuongAttention,
    MultiHeadAttention,
)
from keras_attention.generation import BeamSearch, Decoder

from .stepping import V, check, decoder_of, example

MODELS = {}


def model(function):
    MODELS[function.__name__] = function
    return function


def source(mask_zero=True):
    x = keras.Input((None,), dtype="int32", name="source")
    embedded = layers.Embedding(V, 6, mask_zero=mask_zero)(x)
    return x, layers.LSTM(8, return_sequences=True, return_state=True)(embedded)


def target(mask_zero=True):
    y = keras.Input((None,), dtype="int32", name="target")
    return y, layers.Embedding(V, 8, mask_zero=mask_zero)(y)


def finished(x, y, h, *others):
    logits = layers.Dense(V, name="logits")(h)
    return keras.Model({"source": x, "target": y}, [logits, *others] if others else logits)


@model
def attention_rnn():
    (x, (memory, *state)), (y, e) = source(), target()
    rnn = AttentionRNN(layers.LSTMCell(8), LuongAttention(), attention_layer=8)
    return finished(x, y, *rnn(e, memory, initial_state=state, return_attention_scores=True))


@model
def attention_rnn_before():
    (x, (memory, *_)), (y, e) = source(), target()
    rnn = AttentionRNN(layers.GRUCell(8), BahdanauAttention(6), attend="before")
    return finished(x, y, rnn(e, memory))


@model
def tutorial():
    (x, (memory, *state)), (y, e) = source(), target()
    h = layers.LSTM(8, return_sequences=True)(e, initial_state=state)
    context = BahdanauAttention(6)(h, memory)
    h = layers.GRU(8, return_sequences=True)(layers.LayerNormalization()(h + context))
    return finished(x, y, layers.Dropout(0.5)(layers.Concatenate()([h, context])))


@model
def residual_stack():
    (x, (memory, *_)), (y, e) = source(), target()
    below, *_ = layers.LSTM(8, return_sequences=True, return_state=True)(e)
    above = layers.LSTM(8, return_sequences=True)(layers.Add()([below, e]))
    return finished(x, y, layers.Attention()([above + below, memory]))


@model
def coverage():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    context, weights = Attention("coverage")(h, memory, return_attention_scores=True)
    return finished(x, y, h + context, weights)


@model
def causal_self_attention():
    (x, (memory, *_)), (y, e) = source(), target()
    h = e + MultiHeadAttention(2, 4)(e, e, use_causal_mask=True)
    h = h + Attention("scaled_dot")(h, h, use_causal_mask=True)
    context, weights = MultiHeadAttention(2, 4)(h, memory, return_attention_scores=True)
    return finished(x, y, h + context, weights)


@pytest.fixture(scope="module")
def made():
    keras.utils.set_random_seed(0)
    return {name: make() for name, make in MODELS.items()}


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_steps_give_the_numbers_of_the_forward_pass(made, name, beams):
    check(made[name], decoder_of(made[name]), beams)


def test_the_memory_is_no_part_of_what_changes(made):
    decoder = decoder_of(made["tutorial"])
    assert isinstance(decoder, Decoder)
    state = decoder.start(example(made["tutorial"], decoder.ports))
    assert set(state) == {"memory", "decoder"}
    (name,) = state["memory"]
    assert name.startswith("bahdanau_attention")


def test_beam_search(made):
    decoder = decoder_of(made["tutorial"])
    found = BeamSearch(num_beams=3, max_length=4)(decoder, example(made["tutorial"], decoder.ports))
    assert tuple(found.sequences.shape)[:2] == (2, 3)
