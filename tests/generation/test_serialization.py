"""A search is saved by name and comes back the same; nothing else is made of a dictionary."""

from __future__ import annotations

import json
from dataclasses import dataclass

import keras
import pytest

from keras_attention.generation import (
    AverageLength,
    BannedTokens,
    BeamSearch,
    Constraint,
    GNMTCoverage,
    GNMTLength,
    Greedy,
    MinimumLength,
    NoRepeatedNgrams,
    Sample,
    deserialize_search,
    serialize_search,
)

CONSTRAINTS = (MinimumLength(2, ratio=0.5), NoRepeatedNgrams(2), BannedTokens((5, 6)))
SEARCHES = [
    Greedy(max_length=7, constraints=CONSTRAINTS),
    Sample(max_length=5, temperature=0.7, top_k=4, top_p=0.9, seed=3, constraints=CONSTRAINTS),
    BeamSearch(),
    BeamSearch(num_beams=3, n_best=2, length_penalty="average", banned=(4,), early_stop=False),
    BeamSearch(
        length_penalty=GNMTLength(0.7),
        coverage_penalty=GNMTCoverage(0.1),
        penalties=(AverageLength(),),
        constraints=CONSTRAINTS,
    ),
]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_a_search_comes_back_equal(search):
    config = json.loads(json.dumps(serialize_search(search)))
    assert deserialize_search(config) == search


def test_a_seed_generator_comes_back():
    search = Sample(seed=keras.random.SeedGenerator(5))
    config = json.loads(json.dumps(serialize_search(search)))
    assert deserialize_search(config).seed.get_config()["seed"] == 5


@dataclass(frozen=True)
class NotRegistered(Constraint):
    pass


@pytest.mark.parametrize(
    "search",
    [None, BeamSearch, lambda decoder, inputs, prefix=None: None, CONSTRAINTS[0]],
)
def test_without_settings_of_a_search(search):
    with pytest.raises(ValueError, match="search: expected"):
        serialize_search(search)


def test_settings_that_could_not_be_found_again():
    with pytest.raises(ValueError, match=r"search: expected.*registered.*NotRegistered"):
        serialize_search(BeamSearch(constraints=(NotRegistered(),)))


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"registered_name": "os>system", "config": {}},
        {"class_name": "system", "module": "os", "config": {}},
        {"registered_name": "keras_attention>BannedTokens", "config": {"ids": [1]}},
        {"registered_name": "keras_attention>EncoderDecoder", "config": {}},
    ],
)
def test_a_dictionary_that_is_no_search(config):
    with pytest.raises(ValueError, match="search: expected"):
        deserialize_search(config)
