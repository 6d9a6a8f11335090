"""Beam search as tfa has it, where tfa's numbers (tests/tfa/test_parity.py) leave a question."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention import AttentionRNN, BahdanauAttention
from keras_attention.generation import Greedy, score
from keras_attention.text import END
from keras_attention.tfa import tfa_beam_search
from tests.support.hypotheses import first_of

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 0, 0, 0]], "int32")
SETTINGS = {
    "beam_width": 3,
    "length_penalty_weight": 0.6,
    "coverage_penalty_weight": 0.4,
    "max_length": 7,
}


class Model:
    """A decoder over the embedded source, with the least that the protocol needs."""

    def __init__(self):
        self.embedding = keras.layers.Embedding(12, 6)
        self.rnn = AttentionRNN(keras.layers.GRUCell(8), BahdanauAttention(5), attention_layer=8)
        self.logits = keras.layers.Dense(10)
        self.embedding.build()
        self.rnn.build((None, None, 6), (None, None, 6))
        self.logits.build((None, 8))
        rng = np.random.default_rng(3)
        for layer in (self.embedding, self.rnn, self.logits):
            for variable in layer.weights:
                variable.assign(rng.normal(size=variable.shape) / 2)
        # Padding and start, which tfa allows and greedy does not, so that they can be compared.
        self.logits.bias.assign([-99, -99, 2, *7 * [0]])

    def start(self, inputs):
        source = keras.ops.convert_to_tensor(inputs)
        memory = self.rnn.attention.memory(self.embedding(source), mask=source != 0)
        return {"memory": memory, "rnn": self.rnn.initial_state(memory)}

    def step(self, tokens, state):
        inputs = self.embedding(tokens)
        vector, weights, after = self.rnn.step(inputs, state["memory"], state["rnn"])
        return self.logits(vector), {**state, "rnn": after}, weights


@pytest.fixture(scope="module")
def model():
    return Model()


@pytest.fixture(scope="module")
def found(model):
    return tfa_beam_search(model, SOURCE, **SETTINGS)


def assert_same(found, expected):
    for name, a, b in zip(found._fields, found[:6], expected[:6]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)
    for a, b in zip(found.steps, expected.steps):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_each_hypothesis_has_its_own_probability_and_attention(model):
    # Without penalties the order of finished beams does not change.
    found = tfa_beam_search(model, SOURCE, beam_width=3, max_length=7)
    lengths = np.asarray(found.lengths)
    assert len(np.unique(lengths)) > 2, "some should end"
    assert not np.asarray(found.finished).all(), "and some not"
    for k in range(3):
        scored = score(model, SOURCE, found.sequences[:, k])
        np.testing.assert_allclose(scored.scores, found.log_probs[:, k], rtol=1e-4)
        np.testing.assert_allclose(found.log_probs[:, k], found.scores[:, k], rtol=1e-6)
        np.testing.assert_allclose(scored.attention, found.attention[:, k], rtol=1e-4, atol=1e-5)
    written = np.arange(found.sequences.shape[2]) < lengths[..., None]
    assert np.array_equal(np.asarray(found.sequences) != 0, written)
    ends = np.take_along_axis(np.asarray(found.sequences), lengths[..., None] - 1, axis=2)
    assert np.array_equal(ends[..., 0] == END, np.asarray(found.finished))


def test_one_beam_is_greedy(model):
    found, expected = (
        tfa_beam_search(model, SOURCE, 1, max_length=7),
        first_of(Greedy(max_length=7)(model, SOURCE)),
    )
    assert np.array_equal(found.sequences[:, 0], expected.sequences)
    assert np.array_equal(found.lengths[:, 0], expected.lengths)
    np.testing.assert_allclose(found.scores[:, 0], expected.scores, rtol=1e-4)
    np.testing.assert_allclose(found.attention[:, 0], expected.attention, rtol=1e-4, atol=1e-5)


def test_padding_and_neighbours_change_nothing(model, found):
    padded = tfa_beam_search(model, np.pad(SOURCE, [(0, 0), (0, 3)]), **SETTINGS)
    np.testing.assert_allclose(padded.attention[..., :4], found.attention, atol=1e-5)
    assert not np.any(padded.attention[..., 4:])
    for i in range(len(SOURCE)):
        alone = tfa_beam_search(model, SOURCE[i : i + 1], **SETTINGS)
        width = alone.sequences.shape[2]
        assert np.array_equal(padded.sequences[i, :, :width], alone.sequences[0])
        np.testing.assert_allclose(padded.log_probs[i], alone.log_probs[0], rtol=1e-4)


def test_a_graph_of_unknown_dimensions_equals_eager(model, found):
    search = tf.function(
        lambda source: tfa_beam_search(model, source, **SETTINGS),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    assert_same(search(SOURCE), found)
    assert_same(search(SOURCE[:1, :2]), tfa_beam_search(model, SOURCE[:1, :2], **SETTINGS))


def test_xla_equals_eager(model, found):
    search = tf.function(
        lambda source: tfa_beam_search(model, source, **SETTINGS), jit_compile=True
    )
    assert_same(search(tf.constant(SOURCE)), found)


@pytest.mark.slow
def test_onnx_equals_eager(model, found):
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")

    def search(source):
        found = tfa_beam_search(model, source, **SETTINGS)._asdict()
        return {**found.pop("steps")._asdict(), **found}  # one scores of two

    search = tf.function(search, input_signature=[tf.TensorSpec((None, None), tf.int32, "source")])
    proto, _ = tf2onnx.convert.from_function(search, search.input_signature, opset=18)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    for source in (SOURCE, SOURCE[:1, :2]):
        expected = tfa_beam_search(model, source, **SETTINGS)
        converted = dict(zip(names, session.run(None, {"source": source})))
        for name in ("sequences", "scores", "lengths", "attention", "finished"):
            theirs = np.asarray(getattr(expected, name))
            np.testing.assert_allclose(converted[name], theirs, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"beam_width": 0}, "beam_width: expected a positive integer, received 0"),
        ({"max_length": 2.5}, "max_length: expected a positive integer, received 2.5"),
        ({"length_penalty_weight": -1}, "length_penalty_weight: expected a number of at least 0"),
        ({"coverage_penalty_weight": "a"}, "coverage_penalty_weight: expected a number of at"),
    ],
)
def test_what_cannot_be_is_refused(model, settings, message):
    with pytest.raises(ValueError, match=message):
        tfa_beam_search(model, SOURCE, **settings)
