"""Greedy decoding and scoring, against plain Python over `model.step`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import BeamSearch, Greedy, score
from keras_attention.models import EncoderDecoder
from keras_attention.text import END, PAD, START
from tests.support.hypotheses import first_of

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 0, 0, 0]])
LONGEST = 6


# Encoder, order, seed and bias of the end; drawn so that the rows end at different times.
MODELS = {
    "after": ("gru", "after", 1, 0.0),
    "before": ("gru", "before", 2, 1.5),
    "transformer": ("transformer", "after", 0, 0.0),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    encoder, attend, seed, bias = MODELS[request.param]
    keras.utils.set_random_seed(seed)
    made = EncoderDecoder(12, 10, embedding_dim=6, units=8, encoder=encoder, attend=attend)
    rng = np.random.default_rng(seed)
    # Sharper than at the start, so that different sources give different answers.
    for variable in made.trainable_variables:
        variable.assign(variable + 0.5 * rng.normal(size=variable.shape))
    made.logits.bias.assign(np.eye(10)[END] * bias)
    return made


def plain(model, source, longest=LONGEST):
    """One row at a time: the best token, until the end."""
    found = []
    for row in source:
        state, token, ids, total, maps = model.start(row[row != 0][None]), START, [], 0.0, []
        while len(ids) < longest and token != END:
            logits, state, weights = model.step(tf.constant([token]), state)
            logits = logits.numpy()[0].astype("float64")
            allowed = [i for i in range(len(logits)) if i not in (PAD, START)]
            token = max(allowed, key=lambda i, logits=logits: logits[i])
            total += logits[token] - np.log(np.sum(np.exp(logits)))
            ids.append(token)
            maps.append(weights.numpy()[0])
        found.append((ids, total, maps))
    return found


def test_greedy_equals_a_plain_loop(model):
    decoded = first_of(Greedy(max_length=LONGEST)(model, SOURCE))
    expected = plain(model, SOURCE)
    assert len({len(ids) for ids, *_ in expected}) > 1, "the rows should differ"
    assert decoded.sequences.shape[1] == max(len(ids) for ids, *_ in expected)
    for row, (ids, total, maps) in enumerate(expected):
        length = int(decoded.lengths[row])
        assert decoded.sequences[row, :length].numpy().tolist() == ids
        np.testing.assert_allclose(decoded.scores[row], total, rtol=1e-4)
        found = decoded.attention[row, :length, : len(maps[0])]
        np.testing.assert_allclose(found, maps, rtol=1e-4, atol=1e-5)


def test_finished_rows_stay_finished(model):
    decoded = first_of(Greedy(max_length=LONGEST)(model, SOURCE))
    for row, length in enumerate(decoded.lengths.numpy()):
        assert not decoded.sequences[row, length:].numpy().any()
        assert not decoded.attention[row, length:].numpy().any()
        assert END not in decoded.sequences[row, : length - 1]


def test_padding_and_neighbours_change_nothing(model):
    whole = first_of(Greedy(max_length=LONGEST)(model, np.pad(SOURCE, [(0, 0), (0, 3)])))
    for row in range(3):
        alone = first_of(Greedy(max_length=LONGEST)(model, SOURCE[row][SOURCE[row] != 0][None]))
        width = alone.sequences.shape[1]
        assert np.array_equal(whole.sequences[row, :width], alone.sequences[0])
        assert int(whole.lengths[row]) == int(alone.lengths[0])
        np.testing.assert_allclose(whole.scores[row], alone.scores[0], rtol=1e-4)


def test_greedy_in_a_graph_of_unknown_dimensions_equals_eager(model):
    decode = tf.function(
        lambda source: first_of(Greedy(max_length=LONGEST)(model, source)),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    for source in (SOURCE, SOURCE[:1, :2]):
        found, expected = (
            decode(tf.constant(source, tf.int32)),
            first_of(Greedy(max_length=LONGEST)(model, source)),
        )
        assert np.array_equal(found.sequences, expected.sequences)
        assert np.array_equal(found.lengths, expected.lengths)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
        np.testing.assert_allclose(found.attention, expected.attention, rtol=1e-4, atol=1e-5)


def test_the_score_of_what_greedy_found_is_greedys_score(model):
    decoded = first_of(Greedy(max_length=LONGEST)(model, SOURCE))
    scored = score(model, SOURCE, decoded.sequences)
    np.testing.assert_allclose(scored.scores, decoded.scores, rtol=1e-4)
    np.testing.assert_allclose(scored.attention, decoded.attention, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.sum(scored.token_scores, axis=1), scored.scores, rtol=1e-5)


def test_score_equals_the_log_softmax_of_the_teacher_forced_call(model):
    targets = np.array([[5, 6, 2], [7, 2, 0], [2, 0, 0]])
    given = np.where(targets != 0, np.pad(targets, [(0, 0), (1, 0)])[:, :-1], 0)
    given[:, 0] = START
    logits = model({"source": SOURCE, "target": given}).numpy().astype("float64")
    logp = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    expected = np.take_along_axis(logp, targets[..., None], axis=2)[..., 0] * (targets != 0)
    scored = score(model, SOURCE, targets)
    np.testing.assert_allclose(scored.token_scores, expected, rtol=1e-4, atol=1e-5)
    assert not np.any(scored.attention[targets == 0])


def test_one_token_at_most(model):
    decoded = first_of(Greedy(max_length=1)(model, SOURCE))
    assert decoded.sequences.shape == (3, 1)
    assert decoded.lengths.numpy().tolist() == [1, 1, 1]


class Counting:
    """A model in ten lines that is none of ours: it answers with the source, then the end."""

    def start(self, inputs):
        source = tf.convert_to_tensor(inputs)
        return {
            "source": tf.pad(source, [[0, 0], [0, 1]], constant_values=END),
            "at": source[:, 0] * 0,
        }

    def step(self, tokens, state):
        token = tf.gather(state["source"], state["at"], axis=1, batch_dims=1)
        weights = tf.one_hot(state["at"], tf.shape(state["source"])[1])
        return tf.one_hot(token, 9) * 20, {**state, "at": state["at"] + 1}, weights


def test_any_object_with_start_and_step_is_decoded():
    decoded = first_of(Greedy(max_length=8)(Counting(), np.array([[4, 5, 6], [7, 8, 2]], "int32")))
    assert decoded.sequences.numpy().tolist() == [[4, 5, 6, 2], [7, 8, 2, 0]]
    assert decoded.lengths.numpy().tolist() == [4, 3]
    assert np.argmax(decoded.attention[0], axis=-1).tolist() == [0, 1, 2, 3]


def test_a_graph_may_end_with_the_first_token_of_every_row():
    search = BeamSearch(num_beams=1, max_length=8)
    ids = tf.TensorSpec((None, None), tf.int32)

    @tf.function(input_signature=[ids], autograph=False)
    def both(inputs):
        return first_of(Greedy(max_length=8)(Counting(), inputs)), search(Counting(), inputs)

    found, beam = both(tf.constant([[END, 4], [END, 5]]))
    assert found.sequences.numpy().tolist() == [[END], [END]]
    assert found.attention.shape == (2, 1, 3)
    assert beam.sequences.numpy().tolist() == [[[END]], [[END]]]


def test_padding_and_start_are_never_chosen():
    class Stubborn(Counting):
        def step(self, tokens, state):
            logits, state, weights = super().step(tokens, state)
            return logits + tf.constant([99.0, 99.0] + [0.0] * 7), state, weights

    decoded = first_of(Greedy()(Stubborn(), np.array([[4, 5]], "int32")))
    assert decoded.sequences.numpy().tolist() == [[4, 5, 2]]


def test_mixed_precision_decodes():
    model = EncoderDecoder(12, 10, embedding_dim=6, units=8, dtype="mixed_float16")
    decoded = first_of(Greedy(max_length=LONGEST)(model, SOURCE))
    scored = score(model, SOURCE, decoded.sequences)
    np.testing.assert_allclose(scored.scores, decoded.scores, rtol=1e-2)
