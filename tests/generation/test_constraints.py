"""Penalties and constraints: each by itself, and those that a user writes."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.generation import (
    AverageLength,
    BannedTokens,
    BeamSearch,
    Candidates,
    Constraint,
    GNMTCoverage,
    GNMTLength,
    Greedy,
    MinimumLength,
    NoRepeatedNgrams,
    Penalty,
    Unfinished,
)
from keras_attention.text import END
from tests.support.hypotheses import first_of
from tests.support.plain_search import Path, Toy, plain_search

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0]], "int32")


@keras.saving.register_keras_serializable(package="tests")
@dataclass(frozen=True)
class Brief(Penalty):
    """A user's own: so much for every token."""

    weight: float = 0.5

    def __call__(self, scores, candidates):
        return scores - self.weight * ops.cast(candidates.lengths, "float32")

    def bound(self, scores, limits):
        return scores - self.weight


@keras.saving.register_keras_serializable(package="tests")
@dataclass(frozen=True)
class Rising(Constraint):
    """A user's own: no token is lower than the one before, but the end."""

    def __call__(self, logp, unfinished):
        ids = ops.arange(logp.shape[-1])
        falls = ids < ops.expand_dims(unfinished.last(), -1)
        return ops.where(ops.logical_and(falls, ops.not_equal(ids, END)), -1e30, logp)


@dataclass(frozen=True)
class Bonus(Constraint):
    """A user's own that raises, so that nothing bounds what is still to come."""

    token: int = 7
    lowers_only = False

    def __call__(self, logp, unfinished):
        return ops.where(ops.equal(ops.arange(logp.shape[-1]), self.token), logp + 2.0, logp)


def test_a_users_own_penalty_and_constraint():
    toy = Toy(seed=3, end_bias=1.0)
    search = BeamSearch(3, max_length=6, penalties=[Brief(0.4)], constraints=[Rising()])
    found = search(toy, SOURCE)
    late = BeamSearch(
        3, max_length=6, penalties=[Brief(0.4)], constraints=[Rising()], early_stop=False
    )(toy, SOURCE)
    for row, source in enumerate(SOURCE):
        expected = plain_search(
            Path(toy, source),
            3,
            6,
            score=lambda logp, tokens: logp - 0.4 * len(tokens),
            allowed=lambda tokens, token: token == END or not tokens or token >= tokens[-1],
        )
        for n, (its_score, tokens) in enumerate(expected):
            assert tuple(np.asarray(found.sequences)[row, n, : len(tokens)]) == tokens
            np.testing.assert_allclose(found.scores[row, n], its_score, rtol=1e-4)
    for one, other in zip(found, late):
        assert np.array_equal(one, other)


def test_a_search_with_the_users_own_is_saved_as_plain_settings():
    search = BeamSearch(penalties=[Brief(0.4), GNMTLength(0.7)], constraints=[Rising()])
    config = search.get_config()
    assert config["penalties"][0]["config"] == {"weight": 0.4}
    assert BeamSearch.from_config(config) == search
    whole = keras.saving.serialize_keras_object(search)
    assert keras.saving.deserialize_keras_object(whole) == search


def test_what_raises_is_searched_to_the_end():
    toy = Toy(seed=3, end_bias=2.0)
    for ends in (True, False):
        found = BeamSearch(max_length=7, constraints=[Bonus()], early_stop=ends)(toy, SOURCE)
        if ends:
            first = found
    for one, other in zip(first, found):
        assert np.array_equal(one, other)
    without = BeamSearch(max_length=7)(toy, SOURCE)
    assert np.sum(first.sequences == 7) > np.sum(without.sequences == 7)


def test_greedy_takes_constraints_and_a_prefix():
    toy = Toy(seed=3)
    constraints = [NoRepeatedNgrams(1), BannedTokens([5]), MinimumLength(4)]
    prefix = np.array([[4, 0, 5], [0, 6, 0]], "int32")
    found = first_of(Greedy(max_length=6, constraints=constraints)(toy, SOURCE, prefix))
    expected = BeamSearch(num_beams=1, max_length=6, no_repeat_ngram=1, banned=[5], min_length=4)(
        toy, SOURCE, prefix
    )
    assert np.array_equal(found.sequences, expected.sequences[:, 0])
    np.testing.assert_allclose(found.scores, expected.scores[:, 0], rtol=1e-4)
    assert found.sequences.numpy()[0, [0, 2]].tolist() == [4, 5]
    assert int(found.sequences[1, 1]) == 6
    with pytest.raises(ValueError, match="constraints: expected a list"):
        first_of(Greedy(constraints=[lambda logp, unfinished: logp])(toy, SOURCE))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_repeated_ngrams_against_a_search_for_them(n, rng):
    tokens = rng.integers(3, 6, size=(3, 2, 9)).astype("int32")
    for length in range(10):
        given = np.where(np.arange(9) < length, tokens, 0)
        unfinished = Unfinished(ops.convert_to_tensor(length), ops.convert_to_tensor(given))
        lowered = np.asarray(NoRepeatedNgrams(n)(ops.zeros((3, 2, 7)), unfinished)) < -1e29
        for row, beam in np.ndindex(3, 2):
            known = tuple(given[row, beam, :length].tolist())
            grams = {known[i : i + n] for i in range(length - n + 1)}
            for token in range(7):
                repeats = length >= n and (*known[length - n + 1 :], token) in grams
                assert lowered[row, beam, token] == repeats


def test_penalties_are_their_formulas(rng):
    scores, lengths = -rng.random((2, 3)).astype("float32"), np.array([[1, 7, 20]])
    coverage = 2 * rng.random((2, 3, 4)).astype("float32")
    coverage[0, 0, 1] = 0
    mask = np.array([[True, True, True, False], [True, True, False, False]])
    given = Candidates(lengths, ops.convert_to_tensor(coverage), ops.convert_to_tensor(mask))
    expected = scores / ((5 + lengths) / 6) ** 0.7
    np.testing.assert_allclose(GNMTLength(0.7)(scores, given), expected, rtol=1e-5)
    np.testing.assert_allclose(AverageLength()(scores, given), scores / lengths, rtol=1e-5)
    logs = np.log(np.clip(coverage, 1e-6, 1)) * mask[:, None]
    expected = scores + 0.3 * logs.sum(axis=-1)
    np.testing.assert_allclose(GNMTCoverage(0.3)(scores, given), expected, rtol=1e-4)


@pytest.mark.parametrize("penalty", [GNMTLength(0.6), AverageLength(), GNMTCoverage(0.4)])
def test_no_continuation_passes_the_bound(penalty, rng):
    limits = 12
    best = -3 * rng.random((5, 1)).astype("float32")
    bound = np.asarray(penalty.bound(best, limits))
    for length in range(1, limits + 1):
        coverage = ops.convert_to_tensor(2 * rng.random((5, 8, 4)).astype("float32"))
        scores = best - rng.random((5, 8)).astype("float32") * (length > 1)
        reached = np.asarray(penalty(scores, Candidates(length, coverage)))
        assert np.all(reached <= bound)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: GNMTLength(-1), "alpha"),
        (lambda: GNMTCoverage("0.2"), "beta"),
        (lambda: BannedTokens([-1]), "ids"),
        (lambda: MinimumLength(-1), "length"),
        (lambda: MinimumLength(ratio=-1), "ratio"),
        (lambda: NoRepeatedNgrams(0), "n"),
    ],
)
def test_wrong_settings_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        make()


@pytest.mark.parametrize("base", [Penalty, Constraint])
def test_what_defines_nothing_says_so(base):
    with pytest.raises(NotImplementedError, match="must define __call__"):
        base()(None, None)
