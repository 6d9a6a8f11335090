"""The preset that comes with the package: small, and as good as its card says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keras_attention.metrics import error_rates
from keras_attention.models import EncoderDecoder, built_in_presets
from keras_attention.models.presets import BUILT_IN, read_record

FOLDER = BUILT_IN / "g2p_en"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "preset.json"


@pytest.fixture(scope="module")
def words():
    pytest.importorskip("tensorflow")
    from keras_attention.datasets import load_cmudict

    return load_cmudict()["test"]


@pytest.fixture(scope="module")
def model():
    return EncoderDecoder.from_preset("g2p_en")


def measured(model, entries):
    found = model.generate([entry.word for entry in entries], batch_size=512)
    said = [tuple(one.tokens) for one in found]
    return error_rates(said, [entry.pronunciations for entry in entries])


def test_it_comes_with_the_package_in_at_most_two_megabytes():
    assert "g2p_en" in built_in_presets()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 2_000_000
    assert read_record(FOLDER).dtype == "float16"


def test_it_says_words_and_attends_to_their_letters(model):
    (found,) = model.generate(["attention"])
    assert found.tokens == ["AH", "T", "EH", "N", "SH", "AH", "N"]
    letters = [found.source_tokens[i] for i in found.attention.argmax(1)]
    assert letters[0] == "a" and letters[1] == "t" and letters[-1] == "n"


def test_its_word_errors_on_five_hundred_words(model, words):
    # Spread over the alphabet.
    assert measured(model, words[:: len(words) // 500][:500]).items <= 0.36


@pytest.mark.slow
def test_its_errors_on_the_test_set_are_those_of_its_card(model, words):
    rates = measured(model, words)
    assert rates.items <= 0.36
    report = json.loads(RESULTS.read_text("utf-8"))
    # Another processor rounds otherwise, which may change a word or two.
    assert 100 * rates.items == pytest.approx(report["test_wer"], abs=0.1)
    assert 100 * rates.tokens == pytest.approx(report["test_per"], abs=0.1)


def test_its_card_names_the_figures_and_the_source_of_its_data():
    record, card = read_record(FOLDER), (FOLDER / "README.md").read_text("utf-8")
    report = json.loads(RESULTS.read_text("utf-8"))
    assert report["test_wer"] <= 36 and report["test_words"] == 12_604
    assert record.figures["word errors, test set"] == f"{report['test_wer']} %"
    for part in (str(report["test_wer"]), "Carnegie Mellon", "cmudict 1.1.3", "BSD-style license"):
        assert part in card
