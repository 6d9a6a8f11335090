"""Training, validation and test splits by a hash of a text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from keras_attention._core.checks import check_rate

ItemT = TypeVar("ItemT")


def split_by_text(
    items: Iterable[ItemT], text_of: Callable[[ItemT], str], dev: float, test: float
) -> dict[str, list[ItemT]]:
    """Splits items by a text of theirs, without regard to case.

    Items of the same text are in the same split, and an item stays in its split
    if others are added.

    Args:
        items: what to split.
        text_of: the text that decides.
        dev: share of the texts for validation, at least 0.
        test: share of the texts for testing, at least 0.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"`.

    Raises:
        ValueError: if shares are out of range.

    Example:

    >>> from keras_attention.datasets.splitting import split_by_text
    >>> splits = split_by_text(["a film", "A film"], str, dev=0.5, test=0.0)
    >>> sorted(map(len, splits.values()))
    [0, 0, 2]
    """
    check_rate("dev", dev)
    check_rate("test", test)
    splits: dict[str, list[ItemT]] = {"train": [], "dev": [], "test": []}
    for item in items:
        share = number_of(text_of(item).casefold()) / 2**64
        name = "dev" if share < dev else "test" if share < dev + test else "train"
        splits[name].append(item)
    return splits


def number_of(text: str) -> int:
    """A number below 2**64 by a hash of a text, the same on every machine."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big")
