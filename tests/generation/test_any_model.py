"""Models as people write them decode with no glue, and give the numbers of their forward pass."""

from __future__ import annotations

import gc
import warnings
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.generation import (
    BeamSearch,
    Decoder,
    Greedy,
    as_decoder,
    register_step_rule,
    score,
)
from keras_attention.generation.any_model import decoder_of as judging
from keras_attention.generation.any_model.graph import is_functional, names_of
from keras_attention.generation.any_model.ports import find_ports
from keras_attention.generation.any_model.prefix import PrefixDecoder
from keras_attention.generation.any_model.proof import largest_difference, try_model
from keras_attention.generation.any_model.rules import registry
from keras_attention.generation.any_model.stepwise import StepwiseDecoder
from keras_attention.models import EncoderDecoder
from keras_attention.text.special_ids import SpecialIds
from tests.support.any_models import MODELS, SMALL, TARGET_SIZE, build, example_sources, ids
from tests.support.tables import one_in

LENGTH = 4


def forward(model, ports, sources, target):
    """Log-probabilities `(B, T, V)` of the model itself."""
    length = np.shape(target)[1]
    inputs = {**sources, ports.target: np.asarray(target, "int32")}
    if is_functional(model):
        fixed = names_of(model)[ports.target].shape[1] or length
        inputs[ports.target] = np.pad(inputs[ports.target], ((0, 0), (0, fixed - length)))
        if isinstance(model.input, list):
            inputs = [inputs[x.name] for x in model.inputs]
    outputs = keras.tree.flatten(model(inputs, training=False))[ports.logits]
    outputs = ops.cast(outputs, "float32")[:, :length]
    return ops.convert_to_numpy(
        ops.log(outputs) if ports.probabilities else ops.log_softmax(outputs)
    )


def plain_greedy(model, ports, sources):
    """Greedy decoding as a loop over the forward pass of each prefix."""
    special = ports.special_ids
    batch = len(next(iter(sources.values())))
    written = np.full((batch, 1), special.start)
    ended = np.zeros(batch, bool)
    for _ in range(LENGTH):
        logp = forward(model, ports, sources, written)[:, -1]
        logp[:, [special.pad, special.start]] = -np.inf
        token = np.where(ended, special.pad, logp.argmax(-1))
        written = np.concatenate([written, token[:, None]], axis=1)
        ended |= token == special.end
    found = written[:, 1:]
    return found[:, : max((found != special.pad).sum(1))]


@pytest.mark.parametrize("name", one_in(3, MODELS))
def test_a_model_decodes_and_gives_the_numbers_of_its_forward_pass(name):
    row, model = MODELS[name], build(name)
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        decoder = as_decoder(model, target=row.target)
    kind = StepwiseDecoder if row.mode == "step" else PrefixDecoder
    assert isinstance(decoder, kind) and isinstance(decoder, Decoder)
    told = [str(one.message) for one in messages if "whole prefix" in str(one.message)]
    assert bool(told) == (row.mode == "prefix" and is_functional(model))
    sources = example_sources(model, decoder.ports.sources)
    rounding = 3e-2 if name == "mixed precision" else 1e-4

    targets = np.random.default_rng(1).integers(4, TARGET_SIZE, (2, LENGTH))
    start = np.full((2, 1), decoder.special_ids.start)
    given = score(decoder, sources, targets)
    logp = forward(model, decoder.ports, sources, np.concatenate([start, targets[:, :-1]], 1))
    expected = np.take_along_axis(logp, targets[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(given.token_scores, expected, atol=rounding)
    # The output depends on the source, or nothing is shown.
    assert np.abs(logp[0] - logp[1]).max() > 10 * rounding

    greedy = Greedy(max_length=LENGTH)(decoder, sources)
    ports = decoder.ports
    np.testing.assert_array_equal(greedy.sequences[:, 0], plain_greedy(model, ports, sources))
    found = BeamSearch(num_beams=3, max_length=LENGTH)(decoder, sources)
    again = score(decoder, sources, np.array(found.sequences[:, 0]))
    np.testing.assert_allclose(found.scores[:, 0], again.scores, atol=rounding)


@pytest.mark.parametrize(
    "name", ["multi-output", "Transformer", "fixed lengths", "KerasHub, functional"]
)
def test_compiled_searches_give_the_same(name):
    tf = pytest.importorskip("tensorflow")
    model = build(name)
    search = BeamSearch(num_beams=3, max_length=LENGTH)
    # The first use is inside of the trace: the proof runs outside of it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = example_sources(model, find_ports(model).sources)
        run = tf.function(lambda inputs: search(model, inputs), autograph=False)
        compiled = run(keras.tree.map_structure(tf.constant, sources))
    found = search(model, sources)
    np.testing.assert_array_equal(compiled.sequences, found.sequences)
    np.testing.assert_allclose(compiled.scores, found.scores, atol=1e-5)
    targets = found.sequences[:, 0]
    compiled = tf.function(lambda targets: score(model, sources, targets), autograph=False)(targets)
    np.testing.assert_allclose(compiled.scores, found.scores[:, 0], atol=1e-5)
    if name == "multi-output":
        np.testing.assert_allclose(np.sum(found.attention[:, 0, 0], -1), 1, atol=1e-5)
        np.testing.assert_allclose(np.array(found.attention)[1, ..., -2:], 0)


def test_the_prefix_way_gives_what_the_stepwise_gives():
    model = build("notebook 01, with weights")
    ports = find_ports(model)
    sources = example_sources(model, ports.sources)
    search = BeamSearch(num_beams=3, max_length=LENGTH, coverage_penalty=0.3)
    one, other = (search(kind(model, ports), sources) for kind in (StepwiseDecoder, PrefixDecoder))
    np.testing.assert_array_equal(one.sequences, other.sequences)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


def model_over(*, states=lambda y: y, target="target", **settings):
    """A translator whose target side is `states(embedded)`, then attention and logits."""
    source, written = ids("source"), ids(target)
    memory = layers.Embedding(TARGET_SIZE, 6)(source)
    y = states(layers.Embedding(TARGET_SIZE, 6)(written))
    context = layers.Attention()([y, memory])
    logits = layers.Dense(TARGET_SIZE, **settings)(layers.Concatenate()([y, context]))
    model = keras.Model([source, written], logits)
    for variable in model.trainable_variables:
        variable.assign(3 * variable)
    return model


@pytest.mark.parametrize(
    ("states", "layer"),
    [
        (lambda y: layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(y), ""),
        (lambda y: y + layers.GlobalAveragePooling1D(keepdims=True, name="both")(y), ""),
        (lambda y: y + layers.RepeatVector(1)(layers.GlobalMaxPooling1D(name="both")(y)), ""),
        (lambda y: layers.MultiHeadAttention(2, 3, name="both")(y, y), ""),
        (lambda y: layers.Conv1D(6, 3, padding="same", name="both")(y), ""),
        (lambda y: inner(y), "nest/both"),
    ],
)
def test_a_model_that_is_not_causal_is_refused_by_the_name_of_the_layer(states, layer):
    model = model_over(states=states)
    with pytest.raises(ValueError, match=f"causal, received layer '{layer or 'both'}'"):
        Greedy(max_length=3)(model, np.array([[5, 6, 7]]))


def inner(y):
    x = keras.Input((None, 6))
    deep = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(x)
    return keras.Model(x, deep, name="nest")(layers.Dense(6)(y))


class RunningMean(layers.Layer):
    """The mean of all positions up to each."""

    def call(self, x):
        return ops.cumsum(x, axis=1) / ops.cumsum(ops.ones_like(x), axis=1)


class Mistaken:
    """A rule for `RunningMean` that forgets what was before."""

    def start(self, layer, arguments, batch):
        return None, None

    def step(self, layer, arguments, memory, state, beams):
        return arguments.get(0, "x"), None, None


class MistakenForBeams(Mistaken):
    """A rule that is right, but for several beams."""

    def start(self, layer, arguments, batch):
        return None, ops.zeros((batch, 7))

    def step(self, layer, arguments, memory, state, beams):
        state = state + ops.pad(arguments.get(0, "x")[:, 0], ((0, 0), (0, 1)), constant_values=1)
        return (state[:, None, :-1] / state[:, None, -1:]) * (1 + (beams > 1)), state, None


@pytest.mark.parametrize("rule", [None, Mistaken(), MistakenForBeams()])
def test_a_layer_with_no_rule_or_a_wrong_one_runs_on_all_positions(rule, monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})
    if rule:
        register_step_rule(RunningMean, rule)
    model = model_over(states=RunningMean(name="mean"))
    decoder = as_decoder(model)
    assert decoder.on_prefix == {"mean"}
    trial = try_model(model, decoder.ports, {"source": np.array([[5, 6, 7], [8, 9, 0]])})
    assert largest_difference(decoder, trial) < 1e-5
    if rule:
        assert largest_difference(StepwiseDecoder(model, decoder.ports), trial) > 1e-2


def test_a_model_that_no_steps_reproduce_runs_on_its_prefix_and_says_so_once(monkeypatch):
    monkeypatch.setattr(judging, "first_that_differs", lambda decoder, trial: None)
    model = model_over(states=RunningMean(name="mean"))
    with pytest.warns(UserWarning, match="run on the whole prefix at every step") as caught:
        assert isinstance(as_decoder(model), PrefixDecoder)
    assert len(caught) == 1
    # Warnings are errors: there is no second.
    assert isinstance(as_decoder(model), PrefixDecoder)


def test_the_proof_is_done_once_per_model_and_keeps_no_model_alive(monkeypatch):
    tried = []
    monkeypatch.setattr(judging, "try_model", lambda *a: tried.append(1) or try_model(*a))
    model = model_over()
    for _ in range(3):
        Greedy(max_length=2)(model, np.array([[5, 6]]))
    assert len(tried) == 1
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_probabilities_are_detected_or_declared():
    model = model_over(activation=lambda x: ops.exp(ops.log_softmax(x)))
    assert not find_ports(model).probabilities
    decoder = as_decoder(model)
    assert decoder.ports.probabilities
    assert not as_decoder(model, probabilities=False).ports.probabilities


def test_special_ids_are_those_declared():
    special = SpecialIds(pad=7, start=8, end=9, unknown=None)
    model = build("LSTM, then Luong")
    decoder = as_decoder(model, special_ids=special)
    assert decoder.special_ids == special
    decoder = PrefixDecoder(model, decoder.ports)
    assert decoder.special_ids == special


def test_inputs_come_as_a_dictionary_a_list_or_alone():
    model = build("text and image")
    sources = example_sources(model, ("text", "image"))
    search = Greedy(max_length=2)
    named, listed = (search(model, x) for x in (sources, list(sources.values())))
    np.testing.assert_array_equal(named.sequences, listed.sequences)
    with pytest.raises(ValueError, match="inputs: expected the sources 'text', 'image', received"):
        search(model, {"text": sources["text"]})
    model, source = model_over(), np.array([[5, 6, 7]])
    alone, named = (search(model, x) for x in (source, {"source": source}))
    np.testing.assert_array_equal(alone.sequences, named.sequences)


def test_a_function_and_a_model_that_takes_a_list_decode_by_their_prefix():
    model = model_over(activation="softmax")

    def function(inputs):
        source, target = inputs
        return model([source, target])

    source = np.array([[5, 6, 7], [8, 9, 0]])
    decoder = as_decoder(function, target="y")
    found = Greedy(max_length=LENGTH)(decoder, source)
    np.testing.assert_array_equal(
        found.sequences, Greedy(max_length=LENGTH)(model, source).sequences
    )
    assert decoder.ports.probabilities
    # Without a graph the model is named in place of its layer.
    ahead = as_decoder(lambda inputs: function(inputs)[:, ::-1], target="y")
    with pytest.raises(ValueError, match="causal, received layer"):
        Greedy(max_length=2)(ahead, source)
    with pytest.raises(ValueError, match="model: expected a model that takes a dictionary"):
        as_decoder(lambda inputs: inputs.nothing, target="y").start(source)


def test_arguments_beside_a_model_with_steps_and_undeclared_models_are_refused():
    model = EncoderDecoder(12, 9, units=8, embedding_dim=4)
    with pytest.raises(ValueError, match=r"expected none of them beside .* EncoderDecoder"):
        as_decoder(model, target="target")
    with pytest.raises(ValueError, match=r"expected something that decodes.* received Subclassed"):
        as_decoder(build("KerasHub, subclassed", SMALL))
    with pytest.raises(ValueError, match=r"logits \(batch, length, vocabulary\), one position"):
        decoder = as_decoder(lambda inputs: ops.zeros((2, 3)), target="y")
        decoder.start(np.array([[5, 6]]))
