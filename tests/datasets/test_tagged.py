"""Addresses and tweets with a tag for each token, and their splits."""

import pytest

from keras_attention.datasets import Tagged, load_addresses, load_tweets, split_tagged


@pytest.fixture(scope="module")
def addresses():
    return load_addresses()


@pytest.fixture(scope="module")
def tweets():
    return load_tweets()


def test_the_addresses_are_those_of_usaddress(addresses):
    assert len(addresses) == 1_513
    assert sum(len(address.tokens) for address in addresses) == 10_722
    assert len({tag for address in addresses for tag in address.tags}) == 29
    tokens, tags = addresses[1]
    assert tokens == ("3600", "West", "5th", "Ave")
    assert tags[1] == "StreetNamePreDirectional"


def test_the_tweets_have_ten_kinds_of_names(tweets):
    assert len(tweets) == 2_394
    assert sum(len(tweet.tokens) for tweet in tweets) == 46_469
    tags = [tag for tweet in tweets for tag in tweet.tags]
    assert sum(tag.startswith("B-") for tag in tags) == 1_496
    assert len({tag[2:] for tag in tags if tag != "O"}) == 10
    assert all(len(tweet.tokens) == len(tweet.tags) for tweet in tweets)


def test_every_example_is_tested_once_and_copies_stay_together(addresses):
    folds = [split_tagged(addresses, fold) for fold in range(5)]
    tested = [example.tokens for parts in folds for example in parts["test"]]
    assert sorted(tested) == sorted(example.tokens for example in addresses)
    for parts in folds:
        names = {name: {example.tokens for example in part} for name, part in parts.items()}
        assert not names["train"] & names["test"] and not names["train"] & names["dev"]
        assert sum(map(len, parts.values())) == len(addresses)
        assert 250 < len(parts["test"]) < 350 and 100 < len(parts["dev"]) < 150
    assert split_tagged(addresses, 0) == folds[0]


def test_what_is_no_file_of_addresses_or_tags_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("<A><B><C></C></B></A>")
    with pytest.raises(ValueError, match=r"path: expected addresses with a token in every part"):
        load_addresses(file)
    file.write_text("no XML")
    with pytest.raises(ValueError, match=r"path: expected an XML file, received .*file"):
        load_addresses(file)
    file.write_text("one\tO\ntwo\n")
    with pytest.raises(ValueError, match=r"a tag in line 2, received 'two'"):
        load_tweets(file)
    with pytest.raises(ValueError, match=r"fold: expected an integer from 0 to 4, received 5"):
        split_tagged([Tagged(("a",), ("O",))], fold=5)


def test_lines_end_in_any_of_the_usual_ways(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"a\tO\r\nb\tB-x\r\n\t\r\nc\tO")
    assert load_tweets(file) == [Tagged(("a", "b"), ("O", "B-x")), Tagged(("c",), ("O",))]
