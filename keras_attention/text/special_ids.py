"""The four ids that every vocabulary has, and the tokens that stand for them."""

from __future__ import annotations

PAD, START, END, UNKNOWN = range(4)

SPECIALS: tuple[str, ...] = ("<pad>", "<start>", "<end>", "<unk>")
