"""The four ids that every vocabulary has, and the tokens that stand for them."""

from __future__ import annotations

from typing import NamedTuple

PAD, START, END, UNKNOWN = range(4)

SPECIALS: tuple[str, ...] = ("<pad>", "<start>", "<end>", "<unk>")


class SpecialIds(NamedTuple):
    """The ids of a vocabulary that stand for no text.

    Attributes:
        pad: fills a batch behind the end of shorter sequences.
        start: what a decoder reads before the first token. It may be the
            padding or the end.
        end: the last token of a sequence.
        unknown: stands for tokens that the vocabulary lacks, or None.

    Example:

    >>> from keras_attention.text.special_ids import SpecialIds
    >>> SpecialIds(start=0, end=1)
    SpecialIds(pad=0, start=0, end=1, unknown=3)
    """

    pad: int = PAD
    start: int = START
    end: int = END
    unknown: int | None = UNKNOWN
