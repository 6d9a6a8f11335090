"""How tokens of other tokenizers become text again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


@cache
def bytes_of_characters() -> dict[str, int]:
    """The characters by which byte-level BPE writes the 256 bytes.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (GPT-2).

    Example:

    >>> from keras_attention.text.foreign.pieces import bytes_of_characters
    >>> bytes_of_characters()["Ġ"], len(bytes_of_characters())
    (32, 256)
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [i for i in range(256) if i not in set(shown)]
    return {chr(i): i for i in shown} | {chr(256 + k): i for k, i in enumerate(others)}


def join_bytes(tokens: Sequence[str]) -> str:
    """The text of tokens of byte-level BPE; characters that stand for no byte stay.

    Example:

    >>> from keras_attention.text.foreign.pieces import join_bytes
    >>> join_bytes(["caf", "Ã", "©", "Ġau"])
    'café au'
    """
    table = bytes_of_characters()
    written = b"".join(
        bytes([table[c]]) if c in table else c.encode("utf-8") for c in "".join(tokens)
    )
    return written.decode("utf-8", "replace")


def join_sentence_pieces(tokens: Sequence[str]) -> str:
    """The text of tokens of SentencePiece; `<0x41>` is the byte 0x41.

    Example:

    >>> from keras_attention.text.foreign.pieces import join_sentence_pieces
    >>> join_sentence_pieces(["▁the", "▁caf", "<0xC3>", "<0xA9>"])
    'the café'
    """
    parts = []
    for token in tokens:
        byte = _BYTE.fullmatch(token)
        parts.append(bytes([int(byte[1], 16)]) if byte else token.encode("utf-8"))
    return b"".join(parts).decode("utf-8", "replace").replace(SPACE, " ").removeprefix(" ")


def join_word_pieces(tokens: Sequence[str], continued: str) -> str:
    """The text of tokens of WordPiece, words and punctuation separated by spaces.

    Example:

    >>> from keras_attention.text.foreign.pieces import join_word_pieces
    >>> join_word_pieces(["un", "##seen", "!"], "##")
    'unseen !'
    """
    words: list[str] = []
    for token in tokens:
        if words and continued and token.startswith(continued):
            words[-1] += token.removeprefix(continued)
        else:
            words.append(token)
    return " ".join(words)
