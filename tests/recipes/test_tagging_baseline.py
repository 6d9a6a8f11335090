"""The features of the baseline, and what it learns where its packages are installed."""

import pytest

from keras_attention.datasets import Tagged
from keras_attention.recipes.tagging_baseline import crfsuite_tags, word_features


def test_features_are_those_of_a_token_and_its_neighbours():
    one, two, three = word_features(["See", "NASA", "2010"])
    assert one["title"] and two["upper"] and three["digit"]
    assert one["start"] and not one["end"] and three["end"]
    assert two["-1:word"] == "see" and two["+1:word"] == "2010" and "-1:word" not in one


@pytest.mark.parametrize("data", ["addresses", "tweets"])
def test_it_learns_the_words_it_saw(data):
    pytest.importorskip("sklearn_crfsuite")
    pytest.importorskip("usaddress")
    example = Tagged(
        ("12", "Main", "Street"), ("AddressNumber", "StreetName", "StreetNamePostType")
    )
    assert crfsuite_tags(data, [example] * 5, [example]) == [example.tags]
