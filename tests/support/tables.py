"""Long tables of tests: some of the rows in `make test`, the others in `make test-slow`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def thinned(rows: Iterable[Any], is_slow: Callable[[Any], bool]) -> list[Any]:
    """The rows, of which some are marked as slow. A tuple has a value for each argument."""
    return [_slow(row) if is_slow(row) else row for row in rows]


def _slow(row: Any) -> Any:
    return pytest.param(*(row if type(row) is tuple else (row,)), marks=pytest.mark.slow)


def one_in(step: int, rows: Iterable[Any]) -> list[Any]:
    """The rows, of which the first of each `step` is not slow."""
    numbers = itertools.count()
    return thinned(rows, lambda _: next(numbers) % step > 0)
