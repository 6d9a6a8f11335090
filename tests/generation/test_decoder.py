"""The contract of a decoder: what is completed, what is carried, what is constant."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_attention.generation import (
    BeamSearch,
    Decoder,
    Greedy,
    Sample,
    Search,
    as_decoder,
    score,
)
from keras_attention.generation.stepper import Stepper
from keras_attention.models import Captioner, EncoderDecoder
from keras_attention.text import SpecialIds, Vocabulary
from tests.support.plain_search import Toy

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0]], "int32")


class Full(Toy):
    """A full decoder, whose steps hand on a memory of another dtype each time."""

    constant_parts = ("memory",)
    special_ids = SpecialIds()

    def step(self, tokens, state, beams=1):
        memory, mask, nothing = state["memory"]
        memory = tf.cast(tf.cast(memory, tf.float16), tf.float32)
        repeated = (tf.repeat(memory, beams, axis=0), tf.repeat(mask, beams, axis=0), nothing)
        logits, after, weights = super().step(tokens, {**state, "memory": repeated})
        return logits, {**after, "memory": (memory, mask, nothing)}, weights

    def source_mask(self, inputs):
        return tf.convert_to_tensor(inputs) != 0


class Casting(Toy):
    """Casts its memory at every step, as mixed precision may, and declares nothing."""

    def step(self, tokens, state):
        memory, mask, _ = state["memory"]
        memory = tf.cast(tf.cast(memory, tf.float64), tf.float32)
        return super().step(tokens, {**state, "memory": (memory, mask, None)})


def test_a_full_decoder_is_itself_and_ours_are_full():
    letters = Vocabulary("abc")
    captioner = Captioner(letters, image_size=(16, 16), units=8, embedding_dim=6)
    for model in (Full(), EncoderDecoder(9, 9, units=8, embedding_dim=4), captioner):
        assert isinstance(model, Decoder)
        assert as_decoder(model) is model
    completed = as_decoder(Toy())
    assert isinstance(completed, Decoder) and as_decoder(completed) is completed


@pytest.mark.parametrize("make", [Full, Casting])
def test_the_memory_is_neither_carried_nor_gathered(make):
    """It used to be found by identity: a model that casts it gathered it for every beam."""
    stepper = Stepper(make(), SOURCE)
    _, tensors, _ = stepper.first()
    assert [tuple(tensor.shape) for tensor in tensors] == [(2, 5)]
    stepper.spread(3)
    _, tensors, _ = stepper.next(np.repeat([4, 5], 3), [tf.repeat(tensors[0], 3, axis=0)])
    assert [tuple(tensor.shape) for tensor in tensors] == [(6, 5)]


@pytest.mark.parametrize("make", [Full, Casting])
def test_a_casting_model_gives_what_the_others_give(make):
    search = BeamSearch(num_beams=3, max_length=5, length_penalty=0.6, coverage_penalty=0.2)
    found, expected = search(make(seed=3), SOURCE), search(Toy(seed=3), SOURCE)
    assert np.array_equal(found.sequences, expected.sequences)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-2)


def test_what_a_step_returns_for_a_constant_part_is_ignored():
    class Forgetful(Full):
        def step(self, tokens, state, beams=1):
            logits, after, weights = super().step(tokens, state, beams)
            return logits, {"loop": after["loop"]}, weights

    search = BeamSearch(num_beams=2, max_length=4)
    for one, other in zip(search(Forgetful(), SOURCE), search(Full(), SOURCE)):
        assert np.array_equal(one, other)


def test_the_memory_of_an_undeclared_model_is_repeated_once_not_at_every_step(monkeypatch):
    from keras_attention.generation import decoder

    calls = []

    def gather_rows(x, rows):
        calls.append(x.shape)
        return tf.gather(x, rows)

    monkeypatch.setattr(decoder, "gather_rows", gather_rows)
    model = Toy()
    BeamSearch(num_beams=3, max_length=6)(model, SOURCE)
    tensors = [leaf for leaf in model.start(SOURCE)["memory"] if leaf is not None]
    assert len(calls) == len(tensors)


def test_a_state_without_names_changes_as_a_whole():
    class Unnamed(Toy):
        def start(self, inputs):
            return tuple(super().start(inputs).values())

        def step(self, tokens, state):
            logits, after, weights = super().step(tokens, dict(zip(("memory", "loop"), state)))
            return logits, tuple(after.values()), weights

    search = BeamSearch(num_beams=3, max_length=5)
    for one, other in zip(search(Unnamed(seed=3), SOURCE), search(Toy(seed=3), SOURCE)):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert len(Stepper(Unnamed(), SOURCE).tensors) == 3


def test_another_structure_after_a_step_is_refused():
    class Growing(Toy):
        def step(self, tokens, state):
            logits, after, weights = super().step(tokens, state)
            return logits, {**after, "loop": [*after["loop"], tf.zeros(2)]}, weights

    with pytest.raises(ValueError, match="step: expected a next state of the same structure"):
        Greedy(max_length=3)(Growing(), SOURCE)


@pytest.mark.parametrize(
    ("model", "received"), [(object(), "object"), (Toy, "the class Toy"), (None, "NoneType")]
)
def test_what_does_not_decode_is_refused(model, received):
    message = rf"model: expected something that decodes, with start.*received {received}\."
    for run in (Greedy(), Sample(), BeamSearch()):
        with pytest.raises(ValueError, match=message):
            run(model, SOURCE)
    with pytest.raises(ValueError, match=message):
        score(model, SOURCE, SOURCE)


def test_searches_are_values():
    for search, other in ((Greedy(5), Greedy(6)), (Sample(5, seed=1), Sample(5, seed=2))):
        assert isinstance(search, Search)
        assert type(search).from_config(search.get_config()) == search != other
        saved = keras.saving.serialize_keras_object(search)
        assert keras.saving.deserialize_keras_object(saved) == search
        with pytest.raises(AttributeError):
            search.max_length = 3
    restored = Sample.from_config(Sample(seed=keras.random.SeedGenerator(3)).get_config())
    assert isinstance(restored.seed, keras.random.SeedGenerator)
    assert BeamSearch.from_config({"width": 3, "max_length": 7}) == BeamSearch(3, max_length=7)


# Scores of given targets.


class Silent(Toy):
    """Has no attention to show."""

    def step(self, tokens, state):
        logits, after, _ = super().step(tokens, state)
        return logits, after, None


def test_a_model_without_weights_is_scored():
    targets = np.array([[4, 5, 2], [6, 2, 0]])
    silent = Silent()
    found, expected = score(silent, SOURCE, targets), score(Toy(), SOURCE, targets)
    np.testing.assert_allclose(found.token_scores, expected.token_scores, rtol=1e-5)
    assert found.attention.shape == (2, 3, 0)
    run = tf.function(lambda targets: score(silent, SOURCE, targets), autograph=False)
    np.testing.assert_allclose(run(tf.constant(targets)).scores, expected.scores, rtol=1e-5)


class Broadcasting:
    """Its steps take one state for many tokens, and many states for one token."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.read, self.written = (
            tf.Variable(rng.normal(size=(20, 9)), dtype=tf.float32) for _ in range(2)
        )

    def start(self, inputs):
        return tf.reduce_sum(tf.gather(self.read, inputs), axis=1)

    def step(self, tokens, state):
        return tf.gather(self.written, tokens) + state, state, None


@pytest.mark.parametrize("counts", [(1, 2), (2, 1)])
def test_targets_for_another_number_of_inputs_are_refused(counts):
    source, targets = SOURCE[: counts[0]], np.array([[4, 2], [5, 2]])[: counts[1]]
    with pytest.raises(ValueError, match=f"targets: expected {counts[0]}, as many as.*inputs"):
        score(Toy(), source, targets)
    ids = tf.TensorSpec((None, None), tf.int32)
    broadcasting = Broadcasting()
    run = tf.function(
        lambda *a: score(broadcasting, *a), input_signature=[ids, ids], autograph=False
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.constant(source), tf.constant(targets, tf.int32))


@pytest.mark.parametrize("counts", [(1, 2), (2, 1)])
def test_tokens_for_another_number_of_states_are_refused(counts):
    model = EncoderDecoder(12, 9, units=8, embedding_dim=4)
    state = model.start(SOURCE[: counts[0]])
    with pytest.raises(ValueError, match=f"expected.*{counts[0]}"):
        model.step(ops.convert_to_tensor([4, 5][: counts[1]]), state)
