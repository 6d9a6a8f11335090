"""The ids with a meaning of their own: padding, start, end, unknown."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

# The tokens and ids of a `Vocabulary`. Other vocabularies and models have others: everything
# that decodes, masks or exports reads `special_ids`, not these.
PAD = 0
"""Fills a batch behind the end of a sequence."""
START = 1
"""What a decoder reads first."""
END = 2
"""What a decoder writes last."""
UNKNOWN = 3
"""Stands for tokens that are not in the vocabulary."""
SPECIALS: tuple[str, ...] = ("<pad>", "<start>", "<end>", "<unk>")
"""The tokens with these ids, in their order."""


class SpecialIds(NamedTuple):
    """The ids of a vocabulary, or of a model, that are no ordinary tokens.

    Every search, mask, loss and export reads them from the model that decodes,
    or from the vocabulary. Padding and start are never generated; the start may
    be the padding (as in T5) or the end (as in fairseq), and is then generated
    like the end. Padding and end differ.

    Attributes:
        pad: fills a batch behind the end of a sequence.
        start: what a decoder reads first.
        end: what a decoder writes last.
        unknown: what stands for tokens that are not in the vocabulary, or None
            where there is none, as in a vocabulary of bytes.

    Example:

    >>> from keras_attention.text import SpecialIds
    >>> SpecialIds()
    SpecialIds(pad=0, start=1, end=2, unknown=3)
    >>> SpecialIds(pad=1, start=0, end=2).hidden
    (1, 0, 2)
    >>> SpecialIds(pad=0, start=0, end=1, unknown=None).never_generated
    (0,)
    """

    pad: int = PAD
    start: int = START
    end: int = END
    unknown: int | None = UNKNOWN

    @property
    def hidden(self) -> tuple[int, ...]:
        """Padding, start and end, each once: what a text does not show."""
        return tuple(dict.fromkeys((self.pad, self.start, self.end)))

    @property
    def never_generated(self) -> tuple[int, ...]:
        """Padding and start, each once; without the start where it is the end."""
        return tuple(i for i in self.hidden if i != self.end)


def as_special_ids(
    value: SpecialIds | Sequence[int | None] | None,
    size: int | None = None,
    name: str = "special_ids",
) -> SpecialIds:
    """`SpecialIds` of what an argument holds; the default for None.

    Args:
        value: `SpecialIds`, the same four as a list, as a configuration holds
            them, or None.
        size: the number of ids, if it is known.
        name: of the argument, for the message of the error.

    Raises:
        ValueError: for anything else, ids outside the vocabulary, and padding
            that is the end or the unknown id.

    Example:

    >>> from keras_attention.text import as_special_ids
    >>> as_special_ids([0, 0, 1, None])
    SpecialIds(pad=0, start=0, end=1, unknown=None)
    """
    if value is None:
        return SpecialIds()
    if not isinstance(value, (tuple, list)) or len(value) != len(SpecialIds._fields):
        raise ValueError(
            f"{name}: expected keras_attention.text.SpecialIds(pad, start, end, unknown), received "
            f"{value!r}."
        )
    limit = "non-negative integers" if size is None else f"integers from 0 to {size - 1}"
    *needed, unknown = value
    for i in value if unknown is not None else needed:
        whole = isinstance(i, Integral) and not isinstance(i, bool)
        if not whole or i < 0 or (size is not None and i >= size):
            raise ValueError(f"{name}: expected {limit}, received {tuple(value)!r}.")
    special = SpecialIds(*(None if i is None else int(i) for i in value))  # type: ignore[arg-type]
    if special.pad == special.end or special.unknown in special.hidden:
        raise ValueError(
            f"{name}: expected padding and end to differ, and the unknown id from the others, "
            f"received {special!r}."
        )
    return special
