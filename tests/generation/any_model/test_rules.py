"""Which rule a layer gets, what users may register, and what is refused by name."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention import Attention, MultiHeadAttention
from keras_attention.generation import StepRule, register_step_rule
from keras_attention.generation.any_model.rules.base import NoStepRuleError, NotCausalError
from keras_attention.generation.any_model.rules.registry import _REGISTERED

from .models import MODELS, finished, source, target
from .stepping import V, along, check, decoder_of, example


@keras.saving.register_keras_serializable(package="tests")
class RunningSum(keras.layers.Layer):
    supports_masking = True

    def call(self, inputs, value=None):
        return ops.cumsum(inputs, axis=1) + (0.0 if value is None else value[:, :1])


class RunningSumRule:
    """Of the source it keeps the first position."""

    def start(self, layer, arguments, batch):
        inputs, value = arguments.get(0, "inputs"), arguments.get(1, "value")
        assert isinstance(inputs, keras.KerasTensor)
        return {"first": value[:, 0]}, ops.zeros((batch, inputs.shape[-1]))

    def step(self, layer, arguments, memory, state, beams):
        assert arguments.get(1, "value") is None
        total = state + arguments.get(0, "inputs")[:, 0]
        first = ops.repeat(memory["first"], beams, axis=0)
        return (total + first)[:, None], total, None


@pytest.fixture
def registered():
    yield
    _REGISTERED.clear()


def running_sum(layer_class=RunningSum):
    (x, (memory, *_)), (y, e) = source(), target()
    return finished(x, y, layer_class()(e, value=memory))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_user_s_rule(registered, beams):
    class Subclass(RunningSum):
        pass

    model = running_sum(Subclass)
    with pytest.raises(AssertionError):
        check(model, decoder_of(model))
    register_step_rule(RunningSum, RunningSumRule())
    check(model, decoder_of(model), beams)


def test_a_user_s_rule_comes_before_those_of_the_package(registered):
    class Nothing:
        def start(self, layer, arguments, batch):
            return None, None

        def step(self, layer, arguments, memory, state, beams):
            return ops.zeros_like(arguments.get(0, "sequences")), None, None

    register_step_rule(layers.RNN, Nothing())
    (x, _), (y, e) = source(), target()
    model = finished(x, y, layers.LSTM(8, return_sequences=True)(e))
    logits, _ = along(decoder_of(model), {"source": np.ones((2, 3), int)}, np.ones((2, 2), int))
    assert not logits.any()


@pytest.mark.parametrize(
    ("layer_class", "rule", "message"),
    [
        (RunningSum(), RunningSumRule(), "layer_class: expected a subclass"),
        (RunningSum, RunningSumRule, "rule: expected a keras_attention.generation.StepRule"),
        (RunningSum, object(), "rule: expected a keras_attention.generation.StepRule"),
    ],
)
def test_what_cannot_be_registered(layer_class, rule, message):
    with pytest.raises(ValueError, match=message):
        register_step_rule(layer_class, rule)
    assert isinstance(RunningSumRule(), StepRule)


def test_a_rule_with_another_number_of_results(registered):
    class Two(RunningSumRule):
        def step(self, *arguments):
            outputs, state, weights = super().step(*arguments)
            return [outputs, outputs], state, weights

    register_step_rule(RunningSum, Two())
    decoder = decoder_of(running_sum())
    with pytest.raises(ValueError, match=r"step of layer 'running_sum.*' with 1 results, .* 2"):
        along(decoder, example(decoder.model, decoder.ports), np.ones((2, 1), "int32"))


# Causal or not, and layers that no rule fits.

NOT_CAUSAL = {
    "bidirectional": lambda e, m: layers.Bidirectional(layers.LSTM(4, return_sequences=True))(e),
    "backwards": lambda e, m: layers.GRU(8, return_sequences=True, go_backwards=True)(e),
    "convolution": lambda e, m: layers.Conv1D(8, 3, padding="same")(e),
    "self_attention": lambda e, m: MultiHeadAttention(2, 4)(e, e),
    "keras_self_attention": lambda e, m: layers.MultiHeadAttention(2, 4)(e, e),
    "dot_self_attention": lambda e, m: layers.Attention()([e, e]),
    "over_the_target": lambda e, m: e[:, :1] * 0.0 + Attention("dot")(m, e)[:, :1] + e,
}


@pytest.mark.parametrize("name", NOT_CAUSAL)
def test_a_layer_that_is_not_causal_is_refused_by_name(name):
    (x, (memory, *_)), (y, e) = source(mask_zero=False), target(mask_zero=False)
    h = NOT_CAUSAL[name](e, memory)
    model = keras.Model([x, y], layers.Dense(V)(h))
    with pytest.raises(NotCausalError, match="expected a target side that is causal") as found:
        decoder_of(model)
    assert found.value.layer in {layer.name for layer in model.layers}


NO_RULE = {
    "attention_mask": lambda e: layers.MultiHeadAttention(2, 4)(
        e, e, attention_mask=ops.sum(e, axis=-1)[:, None] > 0, use_causal_mask=True
    ),
    "our_attention_mask": lambda e: Attention("dot")(
        e, e, attention_mask=ops.matmul(e, ops.transpose(e, (0, 2, 1))) > 0
    ),
    "valid_convolution": lambda e: layers.Conv1D(8, 2)(ops.pad(e, ((0, 0), (1, 0), (0, 0)))),
}


@pytest.mark.parametrize("name", NO_RULE)
def test_a_call_that_no_rule_fits_is_refused(name):
    (x, _), (y, e) = source(mask_zero=False), target(mask_zero=False)
    model = keras.Model([x, y], layers.Dense(V)(NO_RULE[name](e)))
    with pytest.raises(NoStepRuleError, match="received"):
        decoder_of(model)


@pytest.mark.filterwarnings("ignore:Layer 'inner'.*was passed an input with a mask")
def test_names_of_calls():
    keras.utils.clear_session()
    decoder = decoder_of(MODELS["nested_and_shared"]())
    assert [name for name in decoder.rules if "gru" in name] == [
        "inner/gru",
        "inner/gru_call_2",
        "inner_call_2/gru",
        "inner_call_2/gru_call_2",
    ]
    assert "sequential/lstm" in decoder.rules


def test_unknown_names_on_prefix():
    model = MODELS["attention_rnn"]()
    with pytest.raises(ValueError, match=r"on_prefix: expected names .* received \['nothing'\]"):
        decoder_of(model, ["nothing"])


class Doubled(keras.layers.Dense):
    """A subclass that needs the axis of positions."""

    def call(self, inputs, training=None):
        return 2.0 * super().call(inputs) + 0.0 * inputs[:, :, :1]


def test_dense_layers_run_without_the_axis_of_positions_and_their_subclasses_with_it(monkeypatch):
    (x, (memory, *_)), (y, e) = source(), target()
    h, context = layers.GRU(8, return_sequences=True)(e), layers.Attention()([e, memory])
    model = finished(x, y, Doubled(8)(layers.Dense(8, "softmax")(h + context)))
    decoder, call, ranks = decoder_of(model), layers.Dense.call, []

    def counted(layer, inputs, training=None):
        ranks.append((type(layer).__name__, len(inputs.shape)))
        return call(layer, inputs)

    monkeypatch.setattr(layers.Dense, "call", counted)
    state = decoder.start(example(model, decoder.ports))
    ranks.clear()
    decoder.step(np.array([4, 5], "int32"), state)
    assert ranks == [("Dense", 2), ("Doubled", 3), ("Dense", 2)]
    monkeypatch.undo()
    check(model, decoder)


def test_a_mask_goes_through_a_dense_layer():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(layers.Dense(8)(e))
    model = finished(x, y, h + layers.Attention()([h, memory]))
    check(model, decoder_of(model))
