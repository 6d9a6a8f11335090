"""How `Subwords` splits a text into words: regular expressions that read alike everywhere.

Python, RE2 (TensorFlow) and Oniguruma (`tokenizers`) follow different versions of Unicode, so that
`\\s` and `\\p{P}` would split differently. Spaces and punctuation are therefore written out.
"""

from __future__ import annotations

import re
import unicodedata

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # replaces the space before a word: "▁"
CONTINUED = "##"
LONGEST_WORD = 64

SPACES = (
    "[ \t-\r\x1c-\x1f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000" + SPACE + "]+"
)
_PUNCTUATION = (
    r"!-/:-@\[-`{-~"
    "\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    "\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u060c\u060d\u061b\u061e\u061f"
    "\u066a-\u066d\u06d4\u0964\u0965\u0970\u0e2f\u0e4f\u0e5a\u0e5b\u10fb\u1361-\u1368\u17d4-\u17da"
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20cf\u2190-\u2580\u2582-\u2bff\u2e00-\u2e5d"
    "\u3001-\u3003\u3008-\u3020\u3030\u30fb\U0001f000-\U0001faff"
)
WORDS = f"{SPACE}?[{_PUNCTUATION}]|{SPACE}?[^{_PUNCTUATION}{SPACE}]{{1,{LONGEST_WORD}}}"

_FIND_SPACES, _FIND_WORDS = re.compile(SPACES), re.compile(WORDS)


def words_of(text: str) -> list[str]:
    """The words of a text after normalization; `"▁"` marks a space before a word.

    Example:

    >>> from keras_attention.text.patterns import words_of
    >>> words_of("isn't  it?")
    ['▁isn', "'", 't', '▁it', '?']
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _FIND_SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip(" ")
    return _FIND_WORDS.findall(SPACE + text.replace(" ", SPACE)) if text else []
