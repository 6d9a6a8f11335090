"""Diverse beam search, against plain loops, and as it is used."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import BeamSearch, DiverseBeamSearch
from tests.generation.test_beam_search import (
    LONGEST,
    PREFIX,
    SETTINGS,
    SOURCE,
    require_equal,
)
from tests.support.plain_search import Path, Toy, plain_diverse_search

GROUPS = {
    "two groups": {"num_beams": 6, "num_groups": 2, "diversity": 0.7},
    "beams of their own": {"num_beams": 3, "num_groups": 3, "diversity": 1.5},
    "no diversity": {"num_beams": 4, "num_groups": 2, "diversity": 0.0},
}
NAMES = ["plain", "gnmt", "coverage", "shorter than the source", "minimum", "no bigram twice"]


@pytest.mark.parametrize(
    ("groups", "name", "prefix"),
    [("two groups", name, prefix) for name in NAMES for prefix in (None, PREFIX)]
    + [(groups, "gnmt", None) for groups in ("beams of their own", "no diversity")],
)
def test_equals_plain_loops(groups, name, prefix):
    toy = Toy(seed=3, end_bias=0.5)
    settings, for_plain = SETTINGS[name]
    groups = GROUPS[groups]
    found = DiverseBeamSearch(**{"max_length": LONGEST, **settings, **groups})(toy, SOURCE, prefix)
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        plain = {"longest": LONGEST, **for_plain(path.length, path)}
        forced = () if prefix is None else tuple(prefix[row])
        expected = plain_diverse_search(path, *groups.values(), prefix=forced, **plain)
        require_equal(found, expected, path, row)


@pytest.mark.parametrize("seed", range(4))
def test_equals_plain_loops_for_random_models_in_a_graph(seed):
    toy = Toy(seed=seed, vocabulary=12, end_bias=0.3)
    search = DiverseBeamSearch(
        num_beams=4, n_best=3, num_groups=2, max_length=5, length_penalty=1.0
    )
    graph = tf.function(lambda ids: search(toy, ids), autograph=False)
    found = graph(tf.constant(SOURCE))
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        score = SETTINGS["gnmt"][1](path.length, path)["score"]
        expected = plain_diverse_search(path, 4, 2, 0.5, 5, score, n_best=3)
        require_equal(found, expected, path, row)


def test_one_group_is_beam_search():
    toy = Toy(seed=3, end_bias=0.5)
    found = DiverseBeamSearch(num_beams=3, num_groups=1, max_length=LONGEST)(toy, SOURCE)
    expected = BeamSearch(num_beams=3, max_length=LONGEST)(toy, SOURCE)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_result_does_not_depend_on_stopping_early():
    toy = Toy(seed=5, end_bias=1.5)
    options = {"num_beams": 4, "num_groups": 2, "max_length": 12, "length_penalty": 0.6}
    early, late = (
        DiverseBeamSearch(early_stop=stop, **options)(toy, SOURCE) for stop in (True, False)
    )
    np.testing.assert_allclose(early.scores, late.scores, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_groups": 3}, "num_groups: expected a divisor of num_beams, 4, received 3"),
        ({"num_groups": 0}, "num_groups: expected a positive integer"),
        ({"diversity": -1}, "diversity: expected"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        DiverseBeamSearch(**options)
