"""TopDownRNN, beyond its row in tests/conformance."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import AttentionRNN, BahdanauAttention, MultiHeadAttention, vision


def test_it_is_an_attention_rnn_whose_words_are_joined_by_the_mean(rng):
    words, features = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 3, 5))
    cells = layers.LSTMCell(6), layers.LSTMCell(7)
    attention = vision.GatedAttention("additive")
    decoder = vision.TopDownRNN(cells[0], attention, cells[1])
    outputs, maps = decoder(words, features, return_attention_scores=True)
    assert maps.shape == (2, 3, 2, 3)

    plain = AttentionRNN(
        cells[0], attention, attention_fn=lambda output, context: output, upper_cells=[cells[1]]
    )
    mean = features.mean(axis=(1, 2))[:, None].repeat(3, axis=1)
    expected = plain(np.concatenate([words, mean], axis=2), features)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_it_is_saved_goes_on_from_a_state_and_has_its_cells_dropout(tmp_path, rng):
    cells = layers.LSTMCell(4, dropout=0.3), layers.GRUCell(3, recurrent_dropout=0.3)
    image, words = keras.Input((2, 2, 5)), keras.Input((None, 4))
    first = vision.MeanState([4, 4, 3])(image)
    decoder = vision.TopDownRNN(cells[0], MultiHeadAttention(2, 3, output_shape=5), cells[1])
    model = keras.Model([words, image], decoder(words, image, initial_state=first))
    assert model.output_shape == (None, None, 3)
    given = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 2, 2, 5))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(given), model(given))

    assert np.std(decoder(*given, training=True) - decoder(*given)) > 0
    whole, last = decoder(*given, return_state=True)
    begun, state = decoder(given[0][:, :2], given[1], return_state=True)
    rest, end = decoder(given[0][:, 2:], given[1], initial_state=state, return_state=True)
    np.testing.assert_allclose(np.concatenate([begun, rest], axis=1), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(end.cell[0], last.cell[0], rtol=1e-5, atol=1e-6)


def test_something_else_than_one_attention_is_refused():
    with pytest.raises(ValueError, match="attention: expected a keras_attention"):
        vision.TopDownRNN(layers.GRUCell(4), [BahdanauAttention(4)], layers.GRUCell(4))


class Steps(layers.Layer):
    """An attention with the three methods that are required."""

    def __init__(self):
        super().__init__()
        self.attention = BahdanauAttention(3)

    def build(self, query_shape, value_shape):
        self.attention.build(query_shape, value_shape)
        self.built = True

    def memory(self, value, mask=None):
        return self.attention.memory(value, mask=mask)

    def initial_state(self, memory):
        return self.attention.initial_state(memory)

    def step(self, query, memory, state):
        return self.attention.step(query, memory, state)


def test_an_attention_with_steps_alone_is_completed(rng):
    words, value = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 6, 5))
    steps, cells = Steps(), (layers.GRUCell(4), layers.GRUCell(3))
    decoder = vision.TopDownRNN(cells[0], steps, cells[1])
    found = decoder(words, value, return_attention_scores=True)
    whole = vision.TopDownRNN(cells[0], steps.attention, cells[1])
    for one, other in zip(found, whole(words, value, return_attention_scores=True)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
