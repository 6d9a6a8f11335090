"""Ids that a vocabulary does not have, as the unknown one."""

from __future__ import annotations

from keras import ops

from keras_attention._core.types import Tensor
from keras_attention.text.special_ids import SpecialIds


def known_ids(ids: Tensor, size: int | None, special_ids: SpecialIds) -> Tensor:
    """Ids `(...)` with the unknown id for those that are negative, or not below `size`.

    A lookup by such an id would take the last one, give zeros, or fail, as the
    runtime has it. Where a vocabulary has no unknown id they become padding.

    Args:
        ids: integers, or floats that hold them.
        size: the number of ids; where it is not known, nothing changes.
        special_ids: of the vocabulary.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    >>> from keras_attention.text import SpecialIds
    >>> from keras_attention.text.known_ids import known_ids
    >>> known_ids([[5, -1, 20, 0]], 20, SpecialIds()).numpy().tolist()
    [[5, 3, 3, 0]]
    """
    ids = ops.convert_to_tensor(ids)
    if size is None:
        return ids
    known = ops.logical_and(ids >= 0, ids < size)
    return ops.where(known, ids, ops.cast(stand_in(size, special_ids), ids.dtype))


def stand_in(size: int, special_ids: SpecialIds) -> int:
    """The id that stands for those that are not below `size`: unknown, or else padding."""
    unknown = special_ids.unknown
    return special_ids.pad if unknown is None or unknown >= size else unknown
