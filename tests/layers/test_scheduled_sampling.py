"""Scheduled sampling: which inputs are replaced, by what, and when."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionRNN, LuongAttention
from keras_attention.callbacks import InverseSigmoidDecay
from keras_attention.layers.scheduled_sampling import ScheduledEmbedding, ScheduledOutput
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder
from tests.support.backends import numbers

RNG = np.random.default_rng(0)
FRAMES, VALUE = (RNG.normal(size=shape).astype("float32") for shape in ((3, 6, 4), (3, 5, 7)))


def decoder():
    layer = AttentionRNN(keras.layers.GRUCell(5), LuongAttention(), attention_layer=4)
    layer.build((None, None, 4), (None, None, 7))
    return layer


def unrolled(layer, replaced, made):
    """The same by steps, with the inputs that were sampled."""
    memory = layer.attention.memory(VALUE)
    state, vectors = layer.initial_state(memory), []
    for t in range(FRAMES.shape[1]):
        inputs = FRAMES[:, t]
        if t:
            inputs = ops.where(replaced[:, t, None], made(vectors[-1], t), inputs)
        vector, _, state = layer.step(inputs, memory, state)
        vectors.append(vector)
    return ops.stack(vectors, axis=1)


class Known(ScheduledOutput):
    """Draws what it is told to draw."""

    def noise(self, batch, steps):
        return (ops.convert_to_tensor(self.replaced),)


def test_outputs_take_the_place_of_inputs():
    layer, sampling = decoder(), Known(0.5, lambda vector: 2 * vector)
    sampling.replaced = RNG.uniform(size=(3, 6)) < 0.5
    sampling.replaced[:, 0] = False
    found = layer(FRAMES, VALUE, sampling=sampling, training=True)
    expected = unrolled(layer, sampling.replaced, lambda vector, t: 2 * vector)
    np.testing.assert_allclose(*numbers([found, expected]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("input_feeding", [True, False])
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_probability_decides_how_many(probability, input_feeding):
    layer = AttentionRNN(
        keras.layers.GRUCell(5), LuongAttention(), input_feeding=input_feeding, attention_layer=4
    )
    layer.build((None, None, 4), (None, None, 7))
    sampling = ScheduledOutput(probability, seed=1)
    found = layer(FRAMES, VALUE, sampling=sampling, training=True)
    replaced = np.full((3, 6), bool(probability))
    expected = unrolled(layer, replaced, lambda vector, t: vector)
    np.testing.assert_allclose(*numbers([found, expected]), rtol=1e-5, atol=1e-6)


def test_half_of_the_inputs_are_replaced_and_never_the_first():
    (replaced,) = ScheduledOutput(0.5, seed=1).noise(2000, 6)
    (replaced,) = numbers([replaced])
    np.testing.assert_allclose(replaced.mean(axis=0), [0] + [0.5] * 5, atol=0.05)


def test_ids_are_drawn_from_the_softmax_of_the_logits():
    logits = np.array([0.0, 1.0, 2.0, -1.0], "float32")
    sampling = ScheduledEmbedding(
        1.0,
        lambda vector: ops.broadcast_to(logits, (vector.shape[0], 4)),
        lambda ids: ops.one_hot(ids, 4),
        size=4,
        seed=1,
    )
    _, noise = sampling.noise(20_000, 1)
    drawn = sampling.next_inputs(np.zeros((20_000, 1), "float32"), (None, noise[:, 0]))
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(numbers([drawn])[0].mean(axis=0), expected, atol=0.015)


def test_nothing_is_replaced_outside_training():
    layer = decoder()
    plain = layer(FRAMES, VALUE)
    found = layer(FRAMES, VALUE, sampling=ScheduledOutput(1.0))
    np.testing.assert_array_equal(*numbers([found, plain]))


def speller(probability):
    model = EncoderDecoder(9, 9, embedding_dim=4, units=8, scheduled_sampling=probability)
    ids = RNG.integers(3, 9, size=(16, 5)).astype("int32")
    target = np.concatenate([np.ones((16, 1), "int32"), ids[:, :-1]], axis=1)
    return model, {"source": ids, "target": target}, ids


def test_a_model_trains_on_its_own_words_and_is_saved_with_the_probability(tmp_path):
    model, inputs, labels = speller(0.5)
    model.compile("adam", SequenceCrossentropy())
    decay = InverseSigmoidDecay(model.sampling_probability, k=2)
    history = model.fit(inputs, labels, batch_size=4, epochs=3, verbose=0, callbacks=[decay])
    assert np.isfinite(history.history["loss"]).all()
    expected = pytest.approx(decay.at(11))
    assert float(ops.convert_to_numpy(model.sampling_probability)) == expected
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(ops.convert_to_numpy(loaded.sampling_probability)) == expected
    np.testing.assert_array_equal(*numbers([loaded(inputs), model(inputs)]))


def test_what_a_model_reads_while_training_is_its_own():
    model, inputs, _ = speller(0.99)
    plain = numbers([model(inputs)])[0]
    trained = numbers([model(inputs, training=True)])[0]
    np.testing.assert_allclose(trained[:, 0], plain[:, 0], atol=1e-6)
    assert not np.allclose(trained[:, 1:], plain[:, 1:])


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_probability_is_checked(probability):
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1"):
        ScheduledOutput(probability)


@pytest.mark.parametrize("probability", [-0.1, 1.5, np.float32(1.5), "0.5", None])
def test_a_probability_is_a_number_from_0_to_1(probability):
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, received"):
        ScheduledOutput(probability)


def test_a_numpy_number_is_a_probability():
    assert ScheduledOutput(np.float32(0.5)).probability == 0.5
