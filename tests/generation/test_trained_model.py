"""The searches on a trained model: the spelling preset, on words of the test set."""

from __future__ import annotations

import random

import pytest

from keras_attention.generation import BeamSearch, ContrastiveSearch, DiverseBeamSearch
from keras_attention.metrics import error_rates
from keras_attention.models import EncoderDecoder
from tests.support.plain_search import contains

SEARCH = BeamSearch(num_beams=4, max_length=24)


@pytest.fixture(scope="module")
def entries():
    pytest.importorskip("tensorflow")
    from keras_attention.datasets import load_cmudict

    words = load_cmudict()["test"]
    return words[:: len(words) // 300][:300]


@pytest.fixture(scope="module")
def model():
    return EncoderDecoder.from_preset("g2p_en")


def rates(found, entries):
    said = [tuple(one.tokens) for one in found]
    return error_rates(said, [entry.pronunciations for entry in entries])


@pytest.mark.slow
def test_phonemes_of_the_reference_make_it_better(model, entries):
    """Two phonemes of the reference side by side, then one alone elsewhere, at random places."""
    choose = random.Random(0)
    phrases = []
    for entry in entries:
        reference = entry.pronunciations[0]
        at = choose.randrange(max(1, len(reference) - 1))
        phrases.append([" ".join(reference[at : at + 2]), choose.choice(reference)])
    words = [entry.word for entry in entries]
    plain = model.generate(words, SEARCH)
    forced = model.generate(words, SEARCH, must_include=phrases)
    for one, its_phrases in zip(forced, phrases):
        assert all(contains(one.tokens, phrase.split()) for phrase in its_phrases)
    for one, other, its_phrases in zip(plain, forced, phrases):
        if all(contains(one.tokens, phrase.split()) for phrase in its_phrases):
            assert other.score >= one.score - 1e-4
    before, after = rates(plain, entries), rates(forced, entries)
    assert after.tokens <= before.tokens and after.items <= before.items


@pytest.mark.slow
def test_groups_differ_more_than_beams(model, entries):
    def different(search):
        found = model.generate([entry.word for entry in entries], search, n_best=4)
        return sum(len({tokens for one in its for tokens in one.tokens}) for its in found)

    groups = DiverseBeamSearch(num_beams=4, num_groups=4, diversity=2.0, max_length=24)
    assert different(groups) > different(SEARCH)


@pytest.mark.slow
def test_contrast_stays_near_the_greedy_result(model, entries):
    found = model.generate(
        [entry.word for entry in entries], ContrastiveSearch(max_length=24, top_k=4, alpha=0.2)
    )
    assert rates(found, entries).tokens < 0.2
