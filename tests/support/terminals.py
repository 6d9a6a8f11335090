"""Text that would command a terminal, and what tells it from harmless text."""

import unicodedata

# Would color, move, rename the window, turn the text around, hide, start a link, or break a line.
HOSTILE = "\x1b[31mred\x1b]0;title\x07\r\n\x9b2J\u202egnp\u2066\u200b\u2028[bold]\ud800\x7f\0end"
_COMMANDS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def is_harmless(text):
    """Whether a line holds nothing that a terminal obeys."""
    return not any(unicodedata.category(c) in _COMMANDS for c in text)
