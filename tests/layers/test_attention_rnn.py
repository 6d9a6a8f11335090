"""AttentionRNN as people use it; its numbers are shown by tests/conformance."""

import keras
import numpy as np
import pytest
from keras import layers, ops, tree

from keras_attention import AttentionRNN, BahdanauAttention, LuongAttention
from tests.conformance.variants import LeakyCell
from tests.support.backends import stateful_graph
from tests.support.tables import one_in

ORDERS = pytest.mark.parametrize("attend", ["after", "before"])


@pytest.fixture
def sequence(rng):
    return rng.normal(size=(2, 4, 3)).astype("float32")


@pytest.fixture
def value(rng):
    return rng.normal(size=(2, 5, 6)).astype("float32")


def decoder(cell=None, attend="after", attention=None, **options):
    options = {"attention_layer": 5, **options}
    cell = layers.GRUCell(4) if cell is None else cell
    return AttentionRNN(cell, attention or BahdanauAttention(4), attend=attend, **options)


def assert_close(found, expected):
    for one, other in zip(tree.flatten(found), tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_results_come_in_the_order_that_is_written(sequence, value):
    layer = decoder()
    outputs, weights, state = layer(
        sequence, value, return_attention_scores=True, return_state=True
    )
    assert outputs.shape == (2, 4, 5) and weights.shape == (2, 4, 5)
    assert state.cell[0].shape == (2, 4) and state.attentional.shape == (2, 5)
    np.testing.assert_array_equal(state.attentional, outputs[:, -1])
    np.testing.assert_array_equal(layer(sequence, value), outputs)


@pytest.mark.parametrize(
    ("attend", "input_feeding", "fed"),
    [("after", None, True), ("before", None, False), ("after", False, False)],
)
def test_input_feeding_follows_the_order_by_default(attend, input_feeding, fed):
    assert decoder(attend=attend, input_feeding=input_feeding).input_feeding is fed


@ORDERS
@pytest.mark.parametrize("input_feeding", [True, False])
def test_the_returned_state_continues_a_sequence(attend, input_feeding, sequence, value):
    layer = decoder(layers.LSTMCell(4), attend, input_feeding=input_feeding)
    whole, last = layer(sequence, value, return_state=True)
    first, state = layer(sequence[:, :1], value, return_state=True)
    second, end = layer(sequence[:, 1:], value, initial_state=state, return_state=True)
    assert_close(ops.concatenate([first, second], axis=1), whole)
    assert_close(end, last)


@ORDERS
def test_masked_steps_keep_the_state(attend, sequence, value):
    layer = decoder(layers.LSTMCell(4), attend)
    mask = np.array([[True, True, False, False], [False, True, True, False]])
    _, state = layer(sequence, value, sequence_mask=mask, return_state=True)
    for row in range(2):
        real = sequence[row : row + 1, mask[row]]
        _, expected = layer(real, value[row : row + 1], return_state=True)
        assert_close(tree.map_structure(lambda s, row=row: s[row : row + 1], state), expected)


def test_all_at_once_equals_step_by_step(sequence, value):
    layer = decoder(layers.LSTMCell(4), input_feeding=False)
    mask = np.array([[True, True, True, False], [True, False, True, True]])
    kwargs = {"sequence_mask": mask, "return_attention_scores": True, "return_state": True}
    fast = layer(sequence, value, **kwargs)
    layer._feeds_back = lambda: True
    assert_close(fast, layer(sequence, value, **kwargs))


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        (lambda: layers.GRUCell(4), lambda h: h),
        (lambda: layers.GRUCell(4), lambda h: [h]),
        (lambda: layers.LSTMCell(4), lambda h: [h, 2 * h]),
        (lambda: [layers.GRUCell(4), layers.LSTMCell(4)], lambda h: [h, [2 * h, 3 * h]]),
    ],
)
def test_initial_states_come_as_the_cell_has_them(cell, state, sequence, value):
    layer = decoder(cell(), attend="before")
    state = state(np.full((2, 4), 0.1, "float32"))
    outputs = layer(sequence, value, initial_state=state)
    memory = layer.attention.memory(value)
    first, *_ = layer.step(sequence[:, 0], memory, layer.initial_state(memory, state))
    assert_close(outputs[:, 0], first)
    assert not np.allclose(outputs, layer(sequence, value))


@ORDERS
def test_the_query_of_bahdanaus_order_is_the_last_cells_first_state(attend, sequence, value):
    layer = decoder([layers.LSTMCell(3), layers.LSTMCell(4)], attend, input_feeding=False)
    h = np.arange(8.0, dtype="float32").reshape(2, 4) / 10
    state = [[np.ones((2, 3), "float32")] * 2, [h, np.ones((2, 4), "float32")]]
    _, weights = layer(sequence, value, initial_state=state, return_attention_scores=True)
    _, asked = layer.attention(h, value, return_attention_scores=True)
    assert np.allclose(weights[:, 0], asked) == (attend == "before")


def test_masks_are_kept_when_an_initial_state_is_given(rng):
    target, source = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    first = keras.Input((4,))
    embed = layers.Embedding(9, 3, mask_zero=True)
    layer = decoder()
    outputs = layer(embed(target), embed(source), initial_state=first, return_attention_scores=True)
    model = keras.Model([target, source, first], outputs)
    h = rng.normal(size=(1, 4))
    whole = model([np.array([[3, 4]]), np.array([[5, 6, 7]]), h])
    padded = model([np.array([[3, 4, 0]]), np.array([[5, 6, 7, 0, 0]]), h])
    assert_close(padded[0][:, :2], whole[0])
    assert_close(padded[1][:, :2, :3], whole[1])
    assert not np.any(padded[0][:, 2:])


def test_the_mask_of_the_sequence_goes_on_to_the_next_layer():
    ids = keras.Input((None,), dtype="int32")
    value = keras.Input((None, 6))
    outputs = decoder()(layers.Embedding(5, 4, mask_zero=True)(ids), value)
    # The mean over the steps that are not masked.
    model = keras.Model([ids, value], [outputs, layers.GlobalAveragePooling1D()(outputs)])
    given, memory = np.array([[3, 4, 1, 0], [2, 0, 0, 0]]), np.ones((2, 3, 6))
    steps, mean = (np.asarray(output) for output in model([given, memory]))
    assert np.abs(mean).min() > 1e-3
    assert_close(mean[0], steps[0, :3].mean(axis=0))
    assert_close(mean[1], steps[1, 0])


def test_a_whole_state_as_initial_state_survives_saving(sequence, value, tmp_path):
    inputs = keras.Input((None, 3)), keras.Input((None, 3)), keras.Input((None, 6))
    layer = decoder(layers.LSTMCell(4))
    _, state = layer(inputs[0], inputs[2], return_state=True)
    outputs = layer(inputs[1], inputs[2], initial_state=state)
    model = keras.Model(inputs, outputs)
    given = [sequence[:, :2], sequence[:, 2:], value]
    assert_close(model(given), layer(sequence, value)[:, 2:])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(given), model(given))
    assert_close(loaded.predict(given, verbose=0), model(given))


def test_a_whole_state_with_upper_cells_and_a_mask_survives_saving(tmp_path):
    ids = [keras.Input((None,), dtype="int32") for _ in range(3)]
    first, second, value = (layers.Embedding(9, 4, mask_zero=True)(one) for one in ids)

    def attend(sequence, **options):
        cell, upper = layers.LSTMCell(4), [layers.LSTMCell(4)]
        layer = AttentionRNN(cell, LuongAttention(), attention_layer=5, upper_cells=upper)
        return layer(sequence, value, **options)

    _, state = attend(first, return_state=True)
    model = keras.Model(ids, attend(second, initial_state=state))
    given = [np.array([[1, 2, 0]]), np.array([[3, 4, 0]]), np.array([[1, 2, 3, 0]])]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(given), model(given))


def test_a_feature_map_gives_maps_of_weights(sequence, value, rng):
    image = rng.normal(size=(2, 2, 3, 6)).astype("float32")
    layer = decoder(attend="before")
    mask = np.array([[[1, 1, 0], [1, 0, 1]]] * 2, bool)
    outputs, weights = layer(sequence, image, value_mask=mask, return_attention_scores=True)
    flat = layer(
        sequence,
        image.reshape(2, 6, 6),
        value_mask=mask.reshape(2, 6),
        return_attention_scores=True,
    )
    assert weights.shape == (2, 4, 2, 3)
    assert_close((outputs, ops.reshape(weights, (2, 4, 6))), flat)


class Subclassed(keras.Model):
    """A decoder with a cell that drops, inside a subclassed model."""

    def __init__(self):
        super().__init__()
        inner = layers.StackedRNNCells([layers.GRUCell(4, dropout=0.2), layers.LSTMCell(4)])
        cells = [layers.LSTMCell(4, dropout=0.2), inner, LeakyCell(4, dropout=0.2)]
        attention = BahdanauAttention(4, dropout=0.2)
        self.decoder = decoder(cells, attention=attention)
        self.out = layers.Dense(1)

    def call(self, inputs, training=None):
        sequence, value = inputs
        return self.out(self.decoder(sequence, value, training=training))


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        {"jit_compile": False},
        {"run_eagerly": True},
    ],
    ids=str,
)
def test_fit_in_a_subclassed_model_with_dropout_everywhere(how, sequence, value):
    model = Subclassed()
    model.compile("sgd", "mse", **how)
    history = model.fit([sequence, value], np.ones((2, 4, 1)), verbose=0)
    # No mask of this batch is left for the next, of another size.
    model.evaluate([sequence[:1], value[:1]], np.ones((1, 4, 1)), verbose=0)
    model.fit([sequence[:1], value[:1]], np.ones((1, 4, 1)), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(("attend", "jit_compile"), one_in(2, [("after", False), ("before", True)]))
def test_fit_in_the_functional_api_learns(attend, jit_compile, sequence, value):
    inputs = keras.Input((None, 3)), keras.Input((None, 6))
    outputs = layers.Dense(1)(decoder(attend=attend)(*inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=jit_compile)
    labels = np.sin(np.arange(8.0)).reshape(2, 4, 1)
    losses = model.fit([sequence, value], labels, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize(
    ("attend", "input_feeding"), [("after", False), ("after", True), ("before", False)]
)
def test_cell_dropout_is_one_mask_for_all_steps(attend, input_feeding, in_graph):
    # The cell passes its input on, so that its output shows what was dropped.
    cell = layers.SimpleRNNCell(
        16,
        activation=None,
        use_bias=False,
        kernel_initializer=lambda shape, dtype: np.eye(*shape, dtype=dtype),
        recurrent_initializer="zeros",
        dropout=0.5,
    )
    layer = decoder(cell, attend, input_feeding=input_feeding, attention_layer=None)
    sequence, value = ops.ones((2, 4, 16)), ops.ones((2, 3, 2))
    call = stateful_graph(layer) if in_graph else layer

    def outputs(training):
        return ops.convert_to_numpy(call(sequence, value, training=training))[..., :16]

    first, second = outputs(True), outputs(True)
    assert set(np.unique(first)) == {0.0, 2.0}
    assert (first == first[:, :1]).all()
    assert not np.array_equal(first, second), "each batch draws its own"
    assert (outputs(False) == 1).all()


def test_steps_draw_the_cells_dropout_once_a_sequence(sequence, value):
    layer = decoder(layers.LSTMCell(16, dropout=0.5), input_feeding=False)
    layer(sequence, value)

    def stepped(rows):
        memory = layer.attention.memory(value[:rows])
        state = layer.initial_state(memory)
        vectors = []
        for t in range(2):
            vector, _, state = layer.step(sequence[:rows, t], memory, state, training=True)
            vectors.append(vector)
        return vectors

    first, again, shorter = stepped(2), stepped(2), stepped(1)
    assert not np.allclose(first[0], again[0])
    assert shorter[1].shape == (1, 5)


def test_attention_dropout_in_a_recurrence_is_reproducible_by_seed(sequence, value):
    layer = decoder(attention=LuongAttention(dropout=0.5, seed=1))
    still = layer(sequence, value)
    first = layer(sequence, value, training=True)
    assert not np.allclose(first, still)
    again = decoder(attention=LuongAttention(dropout=0.5, seed=1))
    again(sequence, value)
    again.set_weights(layer.get_weights())
    assert_close(again(sequence, value, training=True), first)


def test_a_cell_that_is_no_keras_layer(sequence, value):
    class Sum:
        state_size = output_size = 4

        def __call__(self, inputs, states):
            output = states[0] + keras.ops.sum(inputs, axis=-1, keepdims=True)
            return output, output

    outputs = decoder(Sum(), input_feeding=False, attention_layer=None)(sequence, value)
    assert_close(outputs[..., 0], np.cumsum(sequence.sum(axis=-1), axis=1))


def test_an_attention_layer_of_ones_own(sequence, value):
    layer = decoder(attention_layer=layers.Dense(7, activation="tanh"))
    outputs = layer(sequence, value)
    assert outputs.shape == (2, 4, 7)
    assert np.abs(outputs).max() <= 1


@pytest.mark.parametrize("input_feeding", [True, False])
def test_an_attention_layer_that_is_a_whole_model(input_feeding, sequence, value):
    stack = keras.Sequential([layers.Dense(7, activation="tanh"), layers.LayerNormalization()])
    layer = decoder(attention_layer=stack, input_feeding=input_feeding)
    outputs = layer(sequence, value)
    memory = layer.attention.memory(value)
    vector, *_ = layer.step(sequence[:, 0], memory, layer.initial_state(memory))
    assert_close(outputs[:, 0], vector)


@ORDERS
@pytest.mark.parametrize("input_feeding", [True, False])
def test_parts_may_compute_in_other_dtypes(attend, input_feeding, sequence, value):
    layer = decoder(layers.LSTMCell(4), attend, input_feeding=input_feeding, dtype="mixed_float16")
    inputs = keras.Input((4, 3)), keras.Input((5, 6))
    options = {"return_attention_scores": True, "return_state": True}
    promised, found = layer(*inputs, **options), layer(sequence, value, **options)
    for one, other in zip(tree.flatten(promised), tree.flatten(found), strict=True):
        assert one.dtype == other.dtype == "float16"


def test_what_is_frozen_stays_frozen_when_loaded(tmp_path):
    inputs = keras.Input((None, 3)), keras.Input((None, 6))
    layer = decoder()
    model = keras.Model(inputs, layer(*inputs))
    layer.trainable = False
    model.save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").trainable_weights
    frozen = decoder(trainable=False)
    assert not keras.Model(inputs, frozen(*inputs)).trainable_weights


def test_compute_output_shape_agrees_with_what_comes(sequence, value):
    for attention_layer in (5, None):
        layer = decoder(attention_layer=attention_layer)
        expected = layer(sequence, value).shape
        assert layer.compute_output_shape(sequence.shape, value.shape) == tuple(expected)


def test_an_attention_that_knows_only_steps_gives_the_same_without_input_feeding():
    class Steps(layers.Layer):
        def __init__(self, attention):
            super().__init__()
            self.attention = attention

        def build(self, query_shape, value_shape):
            self.attention.build(query_shape, value_shape)
            self.built = True

        def memory(self, value, mask=None):
            return self.attention.memory(value, mask=mask)

        def initial_state(self, memory):
            return ()

        def step(self, query, memory, state=()):
            return self.attention.step(query, memory, state)

    rng = np.random.default_rng(0)
    sequence = rng.normal(size=(2, 3, 4)).astype("float32")
    value = rng.normal(size=(2, 5, 6)).astype("float32")
    whole = AttentionRNN(layers.GRUCell(4), BahdanauAttention(4), input_feeding=False)
    expected = whole(sequence, value)
    stepwise = AttentionRNN(whole.cell, Steps(whole.attention), input_feeding=False)
    np.testing.assert_allclose(stepwise(sequence, value), expected, atol=1e-6)
