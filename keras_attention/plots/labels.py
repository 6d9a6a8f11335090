"""Texts in pictures: fonts that have the characters, and something to see for every token."""

import functools
import unicodedata

from keras_attention._core.optional import require

_LONGEST_LABEL = 24  # characters
_FIRST_FAMILY = "DejaVu Sans"  # comes with matplotlib
# Fonts that draw a box, or nothing, for every character there is.
_FONTS_WITHOUT_GLYPHS = ("lastresort", "adobeblank", "adobenotdef")


def label_of(token):
    """What is drawn for a token."""
    inner = token.strip(" ")
    lead = len(token) - len(token.lstrip(" "))
    trail = len(token) - lead - len(inner)
    text = "\N{OPEN BOX}" * lead + inner + "\N{OPEN BOX}" * trail
    if text and unicodedata.category(text[0]).startswith("M") and _family_of(text[0]):
        # A mark that combines needs something to stand on.
        text = "\N{DOTTED CIRCLE}" + text
    text = drawable(text)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def drawable(text):
    """The text, with code points for what no installed font can draw."""
    if all(map(_can_draw, text)) and not all(map(_is_joiner, text)):
        return text
    # What only changes how its neighbours look is of no use beside a code point.
    kept = [c for c in text if not _is_joiner(c)] or text
    shown = (c if _can_draw(c) and not _is_joiner(c) else f" U+{ord(c):04X} " for c in kept)
    return " ".join("".join(shown).split())


def _can_draw(character):
    return character == " " or (
        _family_of(character) is not None and (character.isprintable() or _is_joiner(character))
    )


def _is_joiner(character):
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return selector or unicodedata.category(character) == "Cf"


def fonts(text):
    """The families, the usual one first, that together have every character of a text."""
    families = dict.fromkeys([_FIRST_FAMILY, *filter(None, map(_family_of, text))])
    return {"family": list(families)}


@functools.cache
def _family_of(character):
    """The installed font family that draws a character, or None."""
    if ord(character) in _characters(_first_path()):
        return _FIRST_FAMILY
    # Of several the one with most characters of the same script is likely made for it.
    block = range(ord(character) & ~0x7F, (ord(character) & ~0x7F) + 0x80)
    best, most = None, 0
    for family, path in _regular_fonts():
        has = _characters(path)
        if ord(character) not in has:
            continue
        count = sum(code in has for code in block) + ("sans" in family.lower())
        if count > most:
            best, most = family, count
    return best


def _first_path():
    manager = require("matplotlib.font_manager", "plots")
    return manager.findfont(_FIRST_FAMILY, fallback_to_default=False)


@functools.cache
def _regular_fonts():
    """`(family, path)` of every installed family, the upright regular one where there is one."""
    manager = require("matplotlib.font_manager", "plots")
    entries = {}
    for entry in manager.fontManager.ttflist:
        plain = entry.name.lower().replace(" ", "").lstrip(".")
        if plain.startswith(_FONTS_WITHOUT_GLYPHS):
            continue
        distance = (entry.style != "normal", abs(_weight(manager, entry.weight) - 400), entry.fname)
        if entry.name not in entries or distance < entries[entry.name][0]:
            entries[entry.name] = (distance, entry.fname)
    return [(name, path) for name, (_, path) in sorted(entries.items())]


def _weight(manager, weight):
    return manager.weight_dict.get(weight, 400) if isinstance(weight, str) else weight


@functools.cache
def _characters(path):
    manager = require("matplotlib.font_manager", "plots")
    try:
        return frozenset(manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # listed once, but unreadable now
        return frozenset()


def extent(text, canvas):
    """Width and height in inches."""
    box = text.get_window_extent(canvas.get_renderer())
    return box.width / canvas.figure.dpi, box.height / canvas.figure.dpi
