"""Vocabularies in the format that the `tokenizers` package reads, `tokenizer.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from keras_attention.text.patterns import CONTINUED, LONGEST_WORD, SPACE, SPACES, WORDS
from keras_attention.text.special_ids import SPECIALS, UNKNOWN

Content: TypeAlias = dict[str, Any]

# What `str.split` takes for space; every reader of a tokenizer.json defines \s differently.
_PYTHON_SPACES = (
    "[\\t-\\r\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
    "\\x{202f}\\x{205f}\\x{3000}]+"
)


def write_tokenizer_json(path: str | Path, content: Content) -> None:
    """Writes `content`, from one of the functions below, to a file."""
    Path(path).write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")


def truncation(longest: int) -> Content:
    """What cuts a text after `longest` tokens."""
    return {"direction": "Right", "max_length": longest, "strategy": "LongestFirst", "stride": 0}


def vocabulary_tokenizer(
    tokens: tuple[str, ...], separator: str, lowercase: bool, longest: int
) -> Content:
    """The tokenizer of a `Vocabulary`, as the content of `tokenizer.json`."""
    normalizers = []
    if lowercase:
        # The package lowercases single characters; the form of one of them depends on its
        # neighbours.
        normalizers = [_replace("Regex", "(?<=\\p{L})Σ(?!\\p{L})", "ς"), {"type": "Lowercase"}]
    if separator:
        splitting = {"pattern": {"Regex": _PYTHON_SPACES}, "behavior": "Removed"}
    else:
        normalizers.append(_replace("Regex", f"\\A{_PYTHON_SPACES}|{_PYTHON_SPACES}\\z", ""))
        splitting = {"pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated"}
    return {
        "version": "1.0",
        "truncation": truncation(longest),
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Split", "invert": False, **splitting},
        "post_processor": None,
        # Without a decoder tokens are joined by spaces.
        "decoder": None if separator else {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": _ids(tokens),
            "unk_token": SPECIALS[UNKNOWN],
        },
    }


def subwords_tokenizer(tokens: tuple[str, ...], longest: int) -> Content:
    """The tokenizer of a `Subwords`, as the content of `tokenizer.json`."""
    return {
        "version": "1.0",
        "truncation": truncation(longest),
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFKC"},
                _replace("Regex", SPACES, " "),
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Prepend", "prepend": SPACE},
                _replace("String", " ", SPACE),
            ],
        },
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": WORDS},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                _replace("Regex", f"^{CONTINUED}", ""),
                _replace("Regex", f"^(?={SPECIALS[UNKNOWN]}$)", SPACE),
                {"type": "Fuse"},
                _replace("String", SPACE, " "),
                _replace("Regex", "^ +| +$", ""),
            ],
        },
        "model": {
            "type": "WordPiece",
            "unk_token": SPECIALS[UNKNOWN],
            "continuing_subword_prefix": CONTINUED,
            "max_input_chars_per_word": 2 * LONGEST_WORD,
            "vocab": _ids(tokens),
        },
    }


def _ids(tokens: tuple[str, ...]) -> dict[str, int]:
    """Ids by token, without padding, start and end.

    Decoding therefore leaves these out, and a text that contains "<end>" does not end there.
    """
    return {token: i for i, token in enumerate(tokens) if i >= UNKNOWN}


def _replace(kind: str, pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}
