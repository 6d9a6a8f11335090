"""Which input of a model is found to be the target, which output the logits."""

from __future__ import annotations

import keras
import pytest
from keras import layers, ops

from keras_attention.generation.any_model.ports import check_vocabulary_size, find_ports
from keras_attention.text.special_ids import SpecialIds

V = 20


def translator(source="source", target="target", as_list=False, activation=None, **settings):
    """A small model; its inputs are named, in a dictionary or a list, of any length or a fixed."""
    x = keras.Input((settings.get("length"),), dtype=settings.get("dtype"), name=source)
    y = keras.Input((None,), dtype=settings.get("dtype"), name=target)
    memory, *state = layers.GRU(4, return_sequences=True, return_state=True)(
        layers.Embedding(30, 4)(x)
    )
    read = layers.Embedding(V, 4)(y)
    h = layers.GRU(4, return_sequences=True)(read, initial_state=state)
    context, weights = layers.MultiHeadAttention(2, 4)(h, memory, return_attention_scores=True)
    logits = layers.Dense(V, activation=activation)(layers.Concatenate()([h, context]))
    outputs = logits
    if settings.get("outputs") == "dict":
        outputs = {"attention": weights, "logits": logits, "states": h}
    elif settings.get("outputs") == "list":
        outputs = [h, logits, weights]
    return keras.Model([x, y] if as_list else {source: x, target: y}, outputs)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (("source",), "target", 0, None, False)),
        # Float inputs of ids, as keras.Input makes them, and names that say nothing.
        ({"source": "b", "target": "a", "as_list": True}, (("b",), "a", 0, None, False)),
        ({"source": "a", "target": "b", "length": 9}, (("a",), "b", 0, None, False)),
        ({"source": "encoder_inputs", "target": "decoder_inputs"}, (("encoder_inputs",),)),
        ({"outputs": "dict"}, (("source",), "target", 1, 0, False)),
        ({"outputs": "list", "activation": "softmax"}, (("source",), "target", 1, 2, True)),
    ],
)
def test_ports_are_found(settings, expected):
    found = find_ports(translator(**settings))
    assert found[: len(expected)] == expected and found.special_ids == (0, 1, 2, 3)


@pytest.mark.parametrize("last", ["layer", "operation", "nested", "distributed"])
def test_a_last_softmax_is_seen(last):
    x, y = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    total = ops.sum(layers.Embedding(V, 4)(x), axis=1, keepdims=True)
    h = layers.Embedding(V, 4)(y) + total
    scores = layers.Dense(V)(h)
    states = keras.Input((None, 4))
    probabilities = {
        "layer": lambda: layers.Activation("softmax")(scores),
        "operation": lambda: ops.softmax(scores),
        "nested": lambda: keras.Model(states, layers.Dense(V, activation="softmax")(states))(h),
        "distributed": lambda: layers.TimeDistributed(layers.Dense(V, activation="softmax"))(h),
    }[last]()
    assert find_ports(keras.Model([x, y], probabilities)).probabilities
    assert not find_ports(keras.Model([x, y], scores)).probabilities
    assert not find_ports(keras.Model([x, y], probabilities), probabilities=False).probabilities


def test_bad_input_is_refused_in_one_line():
    model = translator()

    def refused(model, message, **arguments):
        with pytest.raises(ValueError, match=message) as caught:
            find_ports(model, **arguments)
        assert "\n" not in str(caught.value)

    refused(model, "target: expected a name of an input, one of 'source', 'tar.* 'y'", target="y")
    refused(model, "source: expected a name of an input.*received 'x'", source="x")
    refused(model, "source: expected all inputs except", source="target", target="target")
    refused(model, r"special_ids: .* below 20.*end=20", special_ids=SpecialIds(end=20))
    x, y = (keras.Input((None,), dtype="int32", name=name) for name in "xy")
    z = keras.Input((None, 3), name="z")
    read = layers.Embedding(V, 4)
    refused(keras.Model(x, layers.Dense(V)(read(x))), "a source and a target .* 'x' alone")
    total = ops.sum(read(x), axis=1)
    refused(keras.Model([x, z], layers.Dense(V)(total + z[:, 0, :1])), "expected a target, an")
    refused(keras.Model([x, y, z], read(x) + read(y) + ops.sum(z)), "one target .* 2, 'x' and 'y'")
    refused(keras.Model([x, z], layers.Dense(3)(z) + total[:, None, :1]), "integer ids", target="z")
    refused(keras.Model([x, y], read(x) + read(y)), "another length than the target", target="y")
    weights = ops.matmul(read(y), ops.transpose(read(x), (0, 2, 1)))
    refused(
        keras.Model([x, y], weights), "known last size, received .*None, None, None", target="y"
    )
    with pytest.raises(ValueError, match=r"target_vocabulary: expected at least 20 tokens.* 19"):
        check_vocabulary_size(model, find_ports(model), 19)
    check_vocabulary_size(model, find_ports(model), 20)
