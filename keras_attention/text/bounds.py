"""How much of a text is read: so many tokens, and no more characters than they can have."""

from __future__ import annotations

from keras_attention.text.protocol import HasLongest

# The number of tokens of a text that a vocabulary reads, where nothing else is said.
LONGEST = 512
# How a character is lowercased depends on those behind it, up to the end of the word.
LOOKAHEAD = 64
_CHARACTERS_PER_TOKEN = 128


def longest_of(vocabulary: object) -> int:
    """The number of tokens that a vocabulary reads of a text, 512 where it does not say.

    Example:

    >>> from keras_attention.text import Vocabulary
    >>> from keras_attention.text.bounds import longest_of
    >>> longest_of(Vocabulary("abc", longest=20)), longest_of(None)
    (20, 512)
    """
    return vocabulary.longest if isinstance(vocabulary, HasLongest) else LONGEST


def characters_read(longest: int) -> int:
    """The number of characters that are looked at for `longest` tokens; at least 65,536.

    A text that has more is cut before it is split, so that the work does not grow with it.
    """
    return _CHARACTERS_PER_TOKEN * max(longest, LONGEST)


def cut_text(text: str, longest: int) -> str:
    """The characters that are looked at; halves of surrogate pairs become question marks.

    Example:

    >>> from keras_attention.text.bounds import cut_text
    >>> len(cut_text("a" * 100_000, 512)), cut_text("a\\ud800", 512)
    (65536, 'a?')
    """
    return text[: characters_read(longest)].encode("utf-8", "replace").decode("utf-8")
