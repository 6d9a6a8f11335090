"""Text that a terminal shows and does not obey.

Needs nothing but the standard library: `export/serving/printable.py` is this file again, for
scripts that run without the package.
"""

from __future__ import annotations

import unicodedata

# Joiners belong to the spelling of Persian, of Indian scripts, and of emoji.
_JOINERS = "\u200c\u200d"
_LONGEST_ERROR = 600


def printable(text: str) -> str:
    r"""A text on one line, without anything that would command the terminal.

    Control characters become visible signs. Marks that change the direction of
    what follows are left out, and so are other characters that cannot be seen.

    Args:
        text: any string; half of a surrogate pair is allowed.

    Returns:
        A string that can be encoded as UTF-8.

    Example:

    >>> printable("red\x1b[31m\n")
    'red␛[31m␊'
    """
    return "".join(map(_shown, text))


def one_line(text: str) -> str:
    """The message of an error on one line of at most 600 characters.

    Args:
        text: any string, of any number of lines.

    Returns:
        A string.

    Example:

    >>> one_line("expected a file,\\n  received a folder")
    'expected a file, received a folder'
    """
    # Only the beginning of a long text is read: what a server says may have any length.
    line = printable(" ".join(text[: 20 * _LONGEST_ERROR].split()))
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 1] + "…"


def _shown(character: str) -> str:
    code, category = ord(character), unicodedata.category(character)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    if code < 0x20:
        return chr(0x2400 + code)
    if category in ("Cc", "Cs", "Zl", "Zp"):
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category == "Cf" and character not in _JOINERS else character
