"""Tokens and their weights, checked and without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention._core.types import Tensor
from keras_attention.plots.arrays import as_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tokens_of(name: str, given: Sequence[str | bytes]) -> list[str]:
    """The tokens as strings, without empty ones at the end; `name` is the argument in errors."""
    tokens = []
    for token in given:
        if isinstance(token, bytes):
            tokens.append(token.decode("utf-8"))
        elif isinstance(token, str):
            tokens.append(token)
        else:
            raise TypeError(
                f"{name}: expected strings, received {token!r} of type {type(token).__name__}."
            )
    while tokens and not tokens[-1]:
        tokens.pop()
    if not tokens:
        raise ValueError(f"{name}: expected at least one token, received none.")
    return tokens


def clipped(tensor: Tensor, rows: int, columns: int) -> NDArray[np.float64]:
    """The weights of so many target and source tokens, without padding."""
    weights = as_numbers("weights", tensor)
    if weights.ndim != 2:
        raise ValueError(
            "weights: expected those of one sequence, a matrix with one row per target token and "
            f"one column per source token, received shape {weights.shape} of rank {weights.ndim}."
        )
    if weights.shape[0] < rows or weights.shape[1] < columns:
        raise ValueError(
            f"weights: expected at least {rows} rows (target tokens) and {columns} "
            f"columns (source tokens), received shape {weights.shape}."
        )
    weights = weights[:rows, :columns]
    if not np.isfinite(weights).all():
        raise ValueError(
            f"weights: expected finite numbers, received {np.sum(~np.isfinite(weights))} that "
            "are not."
        )
    return weights


def scale_of(vmax: float | None, weights: NDArray[np.float64]) -> float:
    """The weight of the strongest color: `vmax`, or the largest weight."""
    if vmax is None:
        return float(weights.max()) or 1.0
    if not vmax > 0:
        raise ValueError(f"vmax: expected a number above 0 or None, received {vmax!r}.")
    return float(vmax)
