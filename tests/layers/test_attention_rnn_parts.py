"""What an AttentionRNN is made of: several attentions, upper cells, a function of one's own."""

import keras
import numpy as np
import pytest
from keras import layers, ops, tree

from keras_attention import Attention, AttentionRNN, BahdanauAttention, LuongAttention
from tests.support.backends import numbers

RNG = np.random.default_rng(0)
SEQUENCE, TEXT = (RNG.normal(size=shape).astype("float32") for shape in ((2, 4, 3), (2, 5, 6)))
IMAGE = RNG.normal(size=(2, 2, 3, 7)).astype("float32")
MASK = np.array([[True] * 5, [True, True, False, False, False]])


def assert_close(found, expected):
    pairs = zip(numbers(tree.flatten(found)), numbers(tree.flatten(expected)), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def several(**options):
    attentions = [BahdanauAttention(5), LuongAttention(normalizer="monotonic")]
    return AttentionRNN(layers.LSTMCell(4), attentions, attention_layer=5, **options)


@pytest.mark.parametrize("attend", ["after", "before"])
@pytest.mark.parametrize("input_feeding", [True, False])
def test_several_attentions_are_asked_with_one_query(attend, input_feeding):
    layer = several(attend=attend, input_feeding=input_feeding)
    options = {"return_attention_scores": True, "return_state": True}
    outputs, weights, last = layer(SEQUENCE, [TEXT, IMAGE], value_mask=[MASK, None], **options)
    assert [tuple(one.shape) for one in weights] == [(2, 4, 5), (2, 4, 2, 3)]
    assert not numbers([weights[0]])[0][1, :, 2:].any()

    memory = layer.attention.memory([TEXT, IMAGE], mask=[MASK, None])
    state, steps = layer.initial_state(memory), []
    for t in range(4):
        vector, (first, _), state = layer.step(SEQUENCE[:, t], memory, state)
        steps.append((vector, first))
    vectors, first = (ops.stack(part, axis=1) for part in zip(*steps))
    assert_close((vectors, first), (outputs, weights[0]))
    assert_close(state, last)


def test_contexts_are_joined_in_the_order_of_the_attentions():
    layer = AttentionRNN(layers.LSTMCell(4), [BahdanauAttention(5), LuongAttention()])
    outputs, (first, second) = layer(SEQUENCE, [TEXT, IMAGE], return_attention_scores=True)
    assert_close(outputs[..., 4:10], ops.matmul(first, TEXT))
    pixels = ops.matmul(ops.reshape(second, (2, 4, 6)), IMAGE.reshape(2, 6, 7))
    assert_close(outputs[..., 10:], pixels)


def test_several_attentions_may_share_one_value():
    layer = several()
    shared = layer(SEQUENCE, TEXT, value_mask=MASK)
    again = several()
    again(SEQUENCE, [TEXT, TEXT])
    again.set_weights(layer.get_weights())
    assert_close(again(SEQUENCE, [TEXT, TEXT], value_mask=[MASK, MASK]), shared)


def test_several_attentions_in_a_saved_functional_model(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    image = keras.Input((2, 3, 7))
    text = layers.Embedding(9, 6, mask_zero=True)(ids)
    sequence = keras.Input((None, 3))
    outputs, weights = several()(sequence, [text, image], return_attention_scores=True)
    assert outputs.shape == (None, None, 5)
    model = keras.Model([sequence, ids, image], [outputs, *weights])
    given = [SEQUENCE, np.array([[3, 4, 5], [6, 0, 0]]), IMAGE]
    found = model(given)
    assert not numbers(found)[1][1, :, 1:].any()
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(given), found)


def test_as_many_values_as_attentions():
    with pytest.raises(ValueError, match="value: expected one for each of 2 attentions"):
        several()(SEQUENCE, [TEXT, IMAGE, TEXT])
    with pytest.raises(ValueError, match=r"attention: expected a keras_attention\.Attention"):
        AttentionRNN(layers.GRUCell(4), [BahdanauAttention(5), layers.Dense(3)])


def summed(output, context):
    return output + context[:, :4]


@keras.saving.register_keras_serializable(package="tests")
class Gated(layers.Layer):
    """An attentional vector as a user defines it, with a gate."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.gate = layers.Dense(units, activation="sigmoid")
        self.join = layers.Dense(units)

    def build(self, output_shape, context_shape):
        size = output_shape[-1] + context_shape[-1]
        self.gate.build((None, size))
        self.join.build((None, size))
        self.built = True

    def call(self, output, context):
        joined = ops.concatenate([output, context], axis=-1)
        return self.gate(joined) * self.join(joined)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize("input_feeding", [True, False])
@pytest.mark.parametrize("function", [summed, Gated(4)])
def test_an_attention_function_of_ones_own(function, input_feeding):
    layer = AttentionRNN(
        layers.GRUCell(4), LuongAttention(), input_feeding=input_feeding, attention_fn=function
    )
    outputs, weights = layer(SEQUENCE, TEXT, return_attention_scores=True)
    contexts = ops.matmul(weights, TEXT)
    if not input_feeding:
        plain = AttentionRNN(layers.GRUCell(4), LuongAttention(), input_feeding=False)
        plain(SEQUENCE, TEXT)
        plain.cell.set_weights(layer.cell.get_weights())
        plain.attention.set_weights(layer.attention.get_weights())
        cell_outputs = plain(SEQUENCE, TEXT)[..., :4]
        rows = [ops.reshape(x, (-1, x.shape[-1])) for x in (cell_outputs, contexts)]
        assert_close(ops.reshape(outputs, (-1, 4)), function(*rows))
    symbolic = layer(keras.Input((None, 3)), keras.Input((None, 6)))
    assert symbolic.shape == (None, None, 4)


def test_a_layer_as_attention_function_learns_and_is_saved(tmp_path):
    inputs = keras.Input((None, 3)), keras.Input((None, 6))
    layer = AttentionRNN(layers.GRUCell(4), LuongAttention(), attention_fn=Gated(4))
    model = keras.Model(inputs, layer(*inputs))
    assert len(layer.attention_fn.trainable_variables) == 4
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded([SEQUENCE, TEXT]), model([SEQUENCE, TEXT]))


def test_an_attention_function_stands_instead_of_a_layer():
    with pytest.raises(ValueError, match="attention_fn: expected a layer or function"):
        AttentionRNN(layers.GRUCell(4), LuongAttention(), attention_layer=3, attention_fn=summed)


@pytest.mark.parametrize("attend", ["after", "before"])
def test_dropout_of_upper_cells_acts_while_training(attend):
    cells = [layers.GRUCell(4, dropout=0.5, seed=1), layers.LSTMCell(3, recurrent_dropout=0.5)]
    layer = AttentionRNN(layers.GRUCell(4), LuongAttention(), attend, upper_cells=cells)
    plain = layer(SEQUENCE, TEXT)
    assert plain.shape == (2, 4, 3 + 6)
    assert_close(layer(SEQUENCE, TEXT), plain)
    assert not np.allclose(*numbers([layer(SEQUENCE, TEXT, training=True), plain]))


def test_initial_states_of_upper_cells_follow_those_of_the_cell():
    layer = AttentionRNN(
        layers.GRUCell(4), LuongAttention(), upper_cells=[layers.LSTMCell(3)], attention_layer=5
    )
    states = [np.full((2, size), 0.5, "float32") for size in (4, 3, 3)]
    outputs, last = layer(SEQUENCE, TEXT, initial_state=states, return_state=True)
    assert not np.allclose(*numbers([outputs, layer(SEQUENCE, TEXT)]))
    more, _ = layer(SEQUENCE, TEXT, initial_state=last, return_state=True)
    whole = layer(np.concatenate([SEQUENCE, SEQUENCE], axis=1), TEXT, initial_state=states)
    assert_close(whole[:, 4:], more)
    with pytest.raises(ValueError, match="initial_state: expected 3 tensors, as GRUCell and LSTM"):
        layer(SEQUENCE, TEXT, initial_state=states[:1])


def test_nested_states_of_three_upper_cells_are_no_saved_state():
    upper = [layers.GRUCell(4) for _ in range(3)]
    layer = AttentionRNN(
        layers.GRUCell(4), LuongAttention(), upper_cells=upper, input_feeding=False
    )
    states = [np.full((2, 4), 0.1 * i, "float32") for i in range(4)]
    expected, last = layer(SEQUENCE, TEXT, initial_state=states, return_state=True)
    assert_close(layer(SEQUENCE, TEXT, initial_state=[[one] for one in states]), expected)
    more = layer(SEQUENCE, TEXT, initial_state=last)
    # As a functional model that was loaded gives it.
    saved = [last.cell, [], [[], [], []], list(last.upper)]
    assert_close(layer(SEQUENCE, TEXT, initial_state=saved), more)


class Steps(layers.Layer):
    """An attention with the three methods that one needs."""

    def __init__(self, attention, **kwargs):
        super().__init__(**kwargs)
        self.attention = attention

    def build(self, query_shape, value_shape):
        self.attention.build(query_shape, value_shape)
        self.built = True

    def memory(self, value, mask=None):
        return self.attention.memory(value, mask=mask)

    def initial_state(self, memory):
        return self.attention.initial_state(memory)

    def step(self, query, memory, state):
        return self.attention.step(query, memory, state)

    def get_config(self):
        attention = keras.saving.serialize_keras_object(self.attention)
        return {**super().get_config(), "attention": attention}

    @classmethod
    def from_config(cls, config):
        attention = keras.saving.deserialize_keras_object(config.pop("attention"))
        return cls(attention, **config)


@pytest.mark.parametrize("score", ["general", "coverage"])
@pytest.mark.parametrize("input_feeding", [True, False])
def test_an_attention_with_steps_alone_is_completed(score, input_feeding, tmp_path):
    whole = AttentionRNN(layers.GRUCell(4), Attention(score), input_feeding=input_feeding)
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0]], bool)
    options = {"sequence_mask": mask, "value_mask": MASK, "return_attention_scores": True}
    expected = whole(SEQUENCE, TEXT, **options)
    own = AttentionRNN(whole.cell, Steps(whole.attention), input_feeding=input_feeding)
    assert_close(own(SEQUENCE, TEXT, **options), expected)
    memory = own.attention.memory(TEXT)
    start = own.initial_state(memory)
    beams = tree.map_structure(lambda x: ops.repeat(x, 3, axis=0), start)
    inputs = np.repeat(SEQUENCE[:, 0], 3, axis=0)
    found, weights, _ = own.step(inputs, memory, beams, beams=3)
    once = whole.step(SEQUENCE[:, 0], memory, whole.initial_state(memory))
    assert_close(found, ops.repeat(once[0], 3, axis=0))
    assert_close(weights, ops.repeat(once[1], 3, axis=0))
    sources = AttentionRNN(layers.GRUCell(4), [Steps(Attention(score)), LuongAttention()])
    assert sources(SEQUENCE, TEXT).shape == (2, 4, 4 + 2 * 6)

    inputs = keras.Input((None, 3)), keras.Input((None, 6))
    model = keras.Model(inputs, own(*inputs))
    assert {id(v) for v in whole.attention.variables} <= {id(v) for v in model.variables}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Steps": Steps})
    assert_close(loaded([SEQUENCE, TEXT]), model([SEQUENCE, TEXT]))


def test_numpy_numbers_are_taken():
    layer = AttentionRNN(layers.GRUCell(4), LuongAttention(), attention_layer=np.int64(5))
    assert layer(SEQUENCE, TEXT).shape == (2, 4, 5)
