"""Linear chains against the enumeration of all sequences of tags."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention._core.backend import gradient
from keras_attention.layers import (
    crf_decode,
    crf_log_likelihood,
    crf_log_norm,
    crf_marginals,
    crf_potentials,
)

TAGS, LENGTH = 3, 4
# Whole, padded at the right, at the left, with holes, a single position, and none at all.
MASK = np.array(
    [[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], bool
)


class Chain:
    """Random scores, and every sequence of tags by hand."""

    def __init__(self, seed=0, dtype="float32"):
        rng = np.random.default_rng(seed)
        self.emissions = rng.normal(size=(len(MASK), LENGTH, TAGS)).astype(dtype)
        self.transitions = rng.normal(size=(TAGS, TAGS)).astype(dtype)
        self.start, self.end = rng.normal(size=(2, TAGS)).astype(dtype)

    def potentials(self, mask=MASK):
        return crf_potentials(self.emissions, self.transitions, self.start, self.end, mask)

    def sequences(self, b, mask=MASK):
        """Every sequence of tags over the real positions of an example, and its score."""
        real = np.flatnonzero(mask[b])
        for tags in itertools.product(range(TAGS), repeat=len(real)):
            score = sum(self.emissions[b, t, tag] for t, tag in zip(real, tags))
            score += sum(self.transitions[pair] for pair in itertools.pairwise(tags))
            if tags:
                score += self.start[tags[0]] + self.end[tags[-1]]
            yield real, tags, score


@pytest.fixture
def chain():
    return Chain()


def padded(real, tags, padding):
    whole = np.full(LENGTH, padding)
    whole[list(real)] = tags
    return whole


def array(tensor):
    return ops.convert_to_numpy(tensor)


def test_the_sum_over_all_sequences(chain):
    expected = [
        np.log(sum(np.exp(score) for *_, score in chain.sequences(b))) for b in range(len(MASK))
    ]
    np.testing.assert_allclose(array(crf_log_norm(chain.potentials())), expected, atol=1e-5)


def test_the_likelihood_of_every_sequence_whatever_stands_in_the_padding(chain):
    potentials = chain.potentials()
    for b in range(len(MASK)):
        found = list(chain.sequences(b))
        scores = np.array([score for *_, score in found])
        expected = scores - np.log(np.exp(scores).sum())
        tags = np.stack([padded(real, tags, 2) for real, tags, _ in found])
        several = ops.repeat(potentials[b : b + 1], len(found), axis=0)
        np.testing.assert_allclose(
            array(crf_log_likelihood(several, tags)), expected, atol=1e-5, err_msg=f"example {b}"
        )


def test_labels_in_part_sum_the_sequences_that_agree(chain):
    allowed = np.random.default_rng(3).uniform(size=(len(MASK), LENGTH, TAGS)) < 0.7
    allowed[..., 1] = True
    expected = []
    for b in range(len(MASK)):
        agrees = total = 0.0
        for real, tags, score in chain.sequences(b):
            total += np.exp(score)
            agrees += np.exp(score) * all(allowed[b, t, tag] for t, tag in zip(real, tags))
        expected.append(np.log(agrees / total))
    found = array(crf_log_likelihood(chain.potentials(), allowed))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    unknown = array(crf_log_likelihood(chain.potentials(), np.full((len(MASK), LENGTH), -1)))
    np.testing.assert_allclose(unknown, 0, atol=1e-5)


def test_the_best_sequence(chain):
    tags, scores = map(array, crf_decode(chain.potentials()))
    for b in range(len(MASK)):
        real, best, score = max(chain.sequences(b), key=lambda one: one[-1])
        np.testing.assert_array_equal(tags[b], padded(real, best, -1), err_msg=f"example {b}")
        np.testing.assert_allclose(scores[b], score, atol=1e-5)
    assert keras.backend.standardize_dtype(crf_decode(chain.potentials())[0].dtype) == "int32"


def test_the_probability_of_each_tag(chain):
    expected = np.zeros((len(MASK), LENGTH, TAGS))
    for b in range(len(MASK)):
        for real, tags, score in chain.sequences(b):
            expected[b, real, tags] += np.exp(score)
        expected[b] /= max(expected[b].sum(-1).max(), 1e-9)
    np.testing.assert_allclose(array(crf_marginals(chain.potentials())), expected, atol=1e-5)


def test_a_masked_chain_equals_one_that_is_cut_out(chain):
    masked = chain.potentials()
    for b, mask in enumerate(MASK[:-1]):
        cut = crf_potentials(
            chain.emissions[b : b + 1, mask], chain.transitions, chain.start, chain.end
        )
        np.testing.assert_allclose(
            array(crf_log_norm(cut))[0], array(crf_log_norm(masked))[b], 1e-5
        )
        np.testing.assert_array_equal(
            array(crf_decode(cut)[0])[0], array(crf_decode(masked)[0])[b, mask]
        )


@pytest.mark.parametrize("padding", [np.nan, np.inf])
def test_what_stands_in_the_padding_reaches_neither_results_nor_gradients(chain, padding):
    expected, tags = (
        array(crf_log_norm(chain.potentials())),
        array(crf_decode(chain.potentials())[0]),
    )
    clean = array(emission_gradient(chain))
    chain.emissions = np.where(MASK[..., None], chain.emissions, padding)
    np.testing.assert_array_equal(array(crf_log_norm(chain.potentials())), expected)
    np.testing.assert_array_equal(array(crf_decode(chain.potentials())[0]), tags)
    np.testing.assert_array_equal(array(emission_gradient(chain)), clean)
    assert (clean[~MASK] == 0).all() and (clean[MASK] != 0).all()


def emission_gradient(chain):
    tags = np.ones((len(MASK), LENGTH), "int32")

    def loss(emissions):
        potentials = crf_potentials(emissions, chain.transitions, chain.start, chain.end, MASK)
        return ops.sum(crf_log_likelihood(potentials, tags))

    return gradient(loss)(ops.convert_to_tensor(chain.emissions))


def test_gradients_equal_differences_in_float64(float64):
    chain = Chain(dtype="float64")
    tags = np.random.default_rng(1).integers(0, TAGS, (len(MASK), LENGTH))
    parts = {name: getattr(chain, name) for name in ("emissions", "transitions", "start", "end")}

    def loss(**changed):
        given = {name: ops.convert_to_tensor(x, "float64") for name, x in (parts | changed).items()}
        return ops.sum(crf_log_likelihood(crf_potentials(**given, mask=MASK), tags))

    for name, given in parts.items():
        found = array(
            gradient(lambda x, name=name: loss(**{name: x}))(ops.convert_to_tensor(given))
        )
        assert found.dtype == "float64"
        for index in [(0,) * given.ndim, (-1,) * given.ndim, (1,) * given.ndim]:
            step = np.zeros_like(given)
            step[index] = 1e-6
            above, below = (float(loss(**{name: given + sign * step})) for sign in (1, -1))
            np.testing.assert_allclose(found[index], (above - below) / 2e-6, rtol=1e-6, atol=1e-8)


def test_the_gradient_of_the_sum_is_the_marginals(chain):
    def loss(emissions):
        return ops.sum(
            crf_log_norm(crf_potentials(emissions, chain.transitions, chain.start, chain.end, MASK))
        )

    found = array(gradient(loss)(ops.convert_to_tensor(chain.emissions)))
    np.testing.assert_allclose(found, array(crf_marginals(chain.potentials())), atol=1e-5)


def test_an_excluded_tag_is_never_chosen_and_leaves_gradients_finite(chain):
    chain.emissions[..., 0] = -np.inf
    chain.transitions[2, 1] = -np.inf
    tags = array(crf_decode(chain.potentials())[0])
    assert not (tags == 0).any()
    assert not ((tags[:, :-1] == 2) & (tags[:, 1:] == 1)).any()
    assert np.isfinite(array(emission_gradient(chain))).all()


def test_long_chains_stay_finite_in_float32():
    emissions = 50 * np.random.default_rng(0).normal(size=(1, 300, 4)).astype("float32")
    potentials = crf_potentials(emissions, np.eye(4))
    tags, score = crf_decode(potentials)
    likelihood = array(crf_log_likelihood(potentials, tags))
    assert np.isfinite(array(score)).all() and -5 < likelihood[0] <= 1e-2


def test_half_precision_is_computed_in_float32(chain):
    potentials = crf_potentials(chain.emissions.astype("float16"), chain.transitions)
    assert keras.backend.standardize_dtype(potentials.dtype) == "float32"


def test_wrong_shapes_are_refused(chain):
    emissions, transitions = chain.emissions, chain.transitions
    with pytest.raises(ValueError, match=r"emissions: expected scores of shape .* received"):
        crf_potentials(emissions[0], transitions)
    with pytest.raises(ValueError, match="transitions: expected a score for each pair"):
        crf_potentials(emissions, transitions[:2])
    with pytest.raises(ValueError, match="start: expected one score per tag"):
        crf_potentials(emissions, transitions, start=np.zeros(2))
    with pytest.raises(ValueError, match="mask: expected one boolean per position"):
        crf_potentials(emissions, transitions, mask=MASK[:, :2])
    with pytest.raises(ValueError, match="at least one element"):
        crf_potentials(emissions[:, :0], transitions)
    with pytest.raises(ValueError, match="potentials: expected log-potentials"):
        crf_decode(emissions)
    with pytest.raises(ValueError, match="tags: expected one id per position"):
        crf_log_likelihood(chain.potentials(), np.zeros((len(MASK), 2), "int32"))
