"""Sampling: the distribution, what narrows it, and that a seed repeats it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import BannedTokens, Greedy, Sample, score
from keras_attention.generation.sampling import _sampled_token
from keras_attention.text import END, PAD, START
from tests.support.hypotheses import first_of
from tests.support.plain_search import Toy

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 11, 12, 0]], "int32")


@pytest.fixture(scope="module")
def toy():
    return Toy(seed=3, end_bias=0.5)


def shares(values, top_k=None, top_p=None, count=4000):
    """How often each token is drawn where the random numbers lie evenly."""
    values = np.broadcast_to(np.float32(values), (count, len(values)))
    uniform = (np.arange(count, dtype="float32") + 0.5) / count
    tokens = np.asarray(_sampled_token(values, uniform, top_k, top_p))
    return np.bincount(tokens, minlength=values.shape[1]) / count


P = np.array([0.1, 0.4, 0.02, 0.3, 0.18])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 99}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.39}, [1]),
        ({"top_p": 0.71}, [1, 3, 4]),
        ({"top_p": 1.0}, [0, 1, 2, 3, 4]),
        ({"top_k": 4, "top_p": 0.69}, [1, 3]),
    ],
    ids=str,
)
def test_tokens_come_as_often_as_they_are_probable(options, kept):
    expected = np.where(np.isin(np.arange(5), kept), P, 0)
    expected /= expected.sum()
    np.testing.assert_allclose(shares(np.log(P), **options), expected, atol=1e-3)


def test_the_temperature_sharpens(toy):
    cold = first_of(Sample(max_length=6, temperature=1e-3, seed=0)(toy, SOURCE))
    expected = first_of(Greedy(max_length=6)(toy, SOURCE))
    assert np.array_equal(cold.sequences, expected.sequences)
    np.testing.assert_allclose(cold.scores, expected.scores, rtol=1e-4)
    np.testing.assert_allclose(cold.attention, expected.attention, rtol=1e-4, atol=1e-6)
    assert len(set(many(toy, temperature=3.0))) > len(set(many(toy, temperature=0.3)))


def many(toy, **options):
    found = first_of(
        Sample(max_length=3, seed=1, **options)(toy, np.repeat(SOURCE[:1], 200, axis=0))
    )
    return [tuple(row) for row in found.sequences.numpy()]


def test_whole_sequences_come_as_often_as_they_are_probable(toy):
    source = np.repeat(SOURCE[:1], 4000, axis=0)
    found = first_of(Sample(max_length=1, seed=3)(toy, source))
    counts = np.bincount(found.sequences.numpy()[:, 0], minlength=9) / 4000
    logits, _, _ = toy.step(tf.constant([START]), toy.start(SOURCE[:1]))
    p = np.array(tf.nn.softmax(logits))[0]
    p[[PAD, START]] = 0
    np.testing.assert_allclose(counts, p / p.sum(), atol=0.03)


def test_a_seed_repeats_it_and_others_differ(toy):
    first, again = (first_of(Sample(max_length=8, seed=5)(toy, SOURCE)) for _ in range(2))
    for one, other in zip(first, again):
        assert np.array_equal(one, other)
    run = tf.function(
        lambda source: first_of(Sample(max_length=8, seed=5)(toy, source)),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
        autograph=False,
    )
    for _ in range(2):
        assert np.array_equal(run(SOURCE).sequences, first.sequences)
    drawn = {
        first_of(Sample(max_length=8, seed=n)(toy, SOURCE)).sequences.numpy().tobytes()
        for n in range(5)
    }
    assert len(drawn) > 1
    keras.utils.set_random_seed(3)
    unseeded = [
        first_of(Sample(max_length=8)(toy, SOURCE)).scores.numpy().tolist() for _ in range(3)
    ]
    assert len({tuple(scores) for scores in unseeded}) > 1
    generator = keras.random.SeedGenerator(2)
    called = [
        first_of(Sample(max_length=8, seed=generator)(toy, SOURCE)).scores.numpy() for _ in range(3)
    ]
    assert len({tuple(scores) for scores in called}) > 1


def test_samples_end_stay_ended_and_are_scored(toy):
    found = first_of(Sample(max_length=8, top_p=0.95, seed=2)(toy, np.repeat(SOURCE, 30, axis=0)))
    sequences = found.sequences.numpy()
    assert len(set(found.lengths.numpy())) > 1
    for sequence, length in zip(sequences, found.lengths.numpy()):
        assert not sequence[length:].any() and END not in sequence[: length - 1]
        assert not np.isin(sequence[:length], (PAD, START)).any()
    scored = score(toy, np.repeat(SOURCE, 30, axis=0), found.sequences)
    np.testing.assert_allclose(scored.scores, found.scores, rtol=1e-4)
    np.testing.assert_allclose(scored.attention, found.attention, rtol=1e-4, atol=1e-6)


def test_constraints_prefix_and_xla(toy):
    prefix = np.array([[4, 0, 5], [0, 6, 0], [0, 0, 0]], "int32")
    options = {"seed": 2, "constraints": [BannedTokens([7])]}
    found = first_of(Sample(max_length=6, **options)(toy, SOURCE, prefix))
    assert not np.any(found.sequences == 7)
    assert found.sequences.numpy()[0, [0, 2]].tolist() == [4, 5]
    run = tf.function(
        lambda source, prefix: first_of(Sample(max_length=6, **options)(toy, source, prefix)),
        jit_compile=True,
        autograph=False,
    )
    compiled, again = (run(tf.constant(SOURCE), tf.constant(prefix)) for _ in range(2))
    assert np.array_equal(compiled.sequences, again.sequences)
    assert not np.any(compiled.sequences == 7)
    assert compiled.sequences.numpy()[0, [0, 2]].tolist() == [4, 5]
    # XLA draws other numbers, but the same of them are the model's.
    scored = score(toy, SOURCE, compiled.sequences)
    np.testing.assert_allclose(scored.scores, compiled.scores, rtol=1e-4)


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_length": 0}]
)
def test_wrong_settings_are_refused_by_name(toy, options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))}: expected"):
        first_of(Sample(**options)(toy, SOURCE))
