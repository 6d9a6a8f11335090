"""Labels of any script: chooses fonts that have the characters, and makes every token visible."""

from __future__ import annotations

import functools
import unicodedata
from types import ModuleType
from typing import TYPE_CHECKING, Any

from keras_attention._core.optional import require

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

_LONGEST_LABEL = 24  # characters
_FIRST_FAMILY = "DejaVu Sans"  # comes with matplotlib
# Fonts that draw a box, or nothing, for every character there is.
_FONTS_WITHOUT_GLYPHS = ("lastresort", "adobeblank", "adobenotdef")


def label_of(token: str) -> str:
    """The label of a token."""
    inner = token.strip(" ")
    lead = len(token) - len(token.lstrip(" "))
    trail = len(token) - lead - len(inner)
    text = "\N{OPEN BOX}" * lead + inner + "\N{OPEN BOX}" * trail
    if text and unicodedata.category(text[0]).startswith("M") and _family_of(text[0]):
        # A combining mark needs a base character.
        text = "\N{DOTTED CIRCLE}" + text
    text = drawable(text)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def drawable(text: str) -> str:
    """The text, with code points in place of characters that no installed font has."""
    if all(map(_can_draw, text)) and not all(map(_is_joiner, text)):
        return text
    # Joiners and selectors change their neighbors only, which a code point does not need.
    kept = [c for c in text if not _is_joiner(c)] or text
    shown = (c if _can_draw(c) and not _is_joiner(c) else f" U+{ord(c):04X} " for c in kept)
    return " ".join("".join(shown).split())


def _can_draw(character: str) -> bool:
    return character == " " or (
        _family_of(character) is not None and (character.isprintable() or _is_joiner(character))
    )


def _is_joiner(character: str) -> bool:
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return selector or unicodedata.category(character) == "Cf"


def fonts(text: str) -> dict[str, Any]:
    """Font families, the default first, that together have every character of `text`."""
    families = dict.fromkeys([_FIRST_FAMILY, *filter(None, map(_family_of, text))])
    return {"family": list(families)}


@functools.cache
def _family_of(character: str) -> str | None:
    """The installed font family that has the character, or None."""
    if ord(character) in _characters(_first_path()):
        return _FIRST_FAMILY
    # The family with most characters of the same script is likely made for it.
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


def _first_path() -> str:
    manager = require("matplotlib.font_manager", "plots")
    return manager.findfont(_FIRST_FAMILY, fallback_to_default=False)


@functools.cache
def _regular_fonts() -> list[tuple[str, str]]:
    """`(family, path)` of every installed family, of its regular upright font if it has one."""
    manager = require("matplotlib.font_manager", "plots")
    entries: dict[str, tuple[tuple[bool, int, str], str]] = {}
    for entry in manager.fontManager.ttflist:
        plain = entry.name.lower().replace(" ", "").lstrip(".")
        if plain.startswith(_FONTS_WITHOUT_GLYPHS):
            continue
        distance = (entry.style != "normal", abs(_weight(manager, entry.weight) - 400), entry.fname)
        if entry.name not in entries or distance < entries[entry.name][0]:
            entries[entry.name] = (distance, entry.fname)
    return [(name, path) for name, (_, path) in sorted(entries.items())]


def _weight(manager: ModuleType, weight: str | int) -> int:
    return manager.weight_dict.get(weight, 400) if isinstance(weight, str) else weight


@functools.cache
def _characters(path: str) -> frozenset[int]:
    manager = require("matplotlib.font_manager", "plots")
    try:
        return frozenset(manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # listed, but not readable
        return frozenset()


def extent(text: Text, canvas: FigureCanvasAgg) -> tuple[float, float]:
    """Width and height of a text in inches."""
    box = text.get_window_extent(canvas.get_renderer())
    return box.width / canvas.figure.dpi, box.height / canvas.figure.dpi
