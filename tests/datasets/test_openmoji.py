"""Pictures and names of emojis."""

import itertools
import json

import pytest

from keras_attention.datasets import openmoji
from keras_attention.datasets.kinds import (
    KINDS,
    NAMES,
)


def test_names_are_those_of_the_emoji_package():
    assert all(openmoji.emoji_name(KINDS[name], "en") == name for name in NAMES)


def test_pictures_fill_their_box():
    for character, size in itertools.product(KINDS.values(), (24, 36)):
        picture = openmoji.draw_picture(character, size)
        assert max(picture.shape[:2]) == size
        drawn = picture[..., 3] > 0
        assert all(edge.any() for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]))


def test_a_character_that_is_no_emoji_is_refused():
    for character in ("\uabcd", " ", "", "🐬🍎"):
        with pytest.raises(ValueError, match="character: expected one that OpenMoji draws"):
            openmoji.draw_picture(character, 24)
    with pytest.raises(ValueError, match="character: expected an emoji, received 'a'"):
        openmoji.emoji_name("a", "de")


def test_names_with_a_selector_are_found(monkeypatch):
    table = json.dumps({"✈\ufe0f": ":Jet_Plane:"}).encode()
    monkeypatch.setattr(openmoji, "package_member", lambda *_: table)
    openmoji._names.cache_clear()
    try:
        assert openmoji.emoji_name("✈", "de") == "Jet Plane"
    finally:
        openmoji._names.cache_clear()
