"""How far the answers of an artifact in fewer bits are from those of the live model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_attention.export._replay.artifact import Pairs
from keras_attention.export.errors import ExportError
from keras_attention.export.golden import DECODING, FROM_PREFIX, Arrays, GoldenExample

# Largest relative difference of an output. Rounding explains far less: an artifact beyond it is
# broken. What is lost in quality is for `check` to measure.
BOUNDS = {"float16": 0.05, "int8": 0.5}


class Agreement(NamedTuple):
    """How far the answers of an artifact are from those of the live model.

    Attributes:
        equal_ids: the share of equal ids, from 0 to 1; 1 without ids.
        relative_difference: of the outputs of floats that do not come out of a
            search, the largest norm of the difference over the norm of the
            model's answer.
        max_abs_difference: the largest difference of their numbers.
    """

    equal_ids: float
    relative_difference: float
    max_abs_difference: float


def agreement(
    expected: Mapping[str, list[GoldenExample]], found: Mapping[str, Pairs], precision: str
) -> Agreement:
    """Compares the answers of an artifact with those of the live model.

    Args:
        expected: examples with the answers of the live model, by graph.
        found: the same inputs, with the answers of the artifact.
        precision: `"float16"` or `"int8"`, for the bound.

    Returns:
        An `Agreement`.

    Raises:
        ExportError: if an output is missing, has another dtype or shape, is not
            a number, or differs by more than rounding explains.
    """
    equal, count, relative, largest = 0.0, 0, 0.0, 0.0
    for graph, examples in expected.items():
        pairs = [(one.outputs, answer) for one, (_, answer) in zip(examples, found[graph])]
        searched = graph in (*DECODING, *FROM_PREFIX)
        for live, answer in pairs:
            _check_structure(graph, live, answer, searched)
        for name in examples[0].outputs:
            arrays = [(live[name], answer[name]) for live, answer in pairs]
            if arrays[0][0].dtype.kind != "f":
                shares = [_equal_share(a, b) for a, b in arrays]
                equal, count = equal + sum(shares), count + len(shares)
            elif not searched:
                difference, gap = _difference(arrays)
                if not difference <= BOUNDS[precision]:
                    raise ExportError(
                        f"precision: expected answers within {BOUNDS[precision]:g} of the model's, "
                        f"relative to their size, received {difference:.2g} for the output "
                        f"{name!r} of {graph!r} in {precision}."
                    )
                relative, largest = max(relative, difference), max(largest, gap)
    return Agreement(equal / count if count else 1.0, relative, largest)


def _check_structure(graph: str, live: Arrays, answer: Arrays, searched: bool) -> None:
    """Refuses an answer of other outputs, dtypes or shapes, or with not-a-number."""
    if set(live) != set(answer):
        raise ExportError(
            f"{graph}: expected the outputs {', '.join(live)}, received {', '.join(answer)}."
        )
    for name, expected in live.items():
        received = answer[name]
        a, b = (expected.dtype, expected.shape), (received.dtype, received.shape)
        if searched:
            # A search that chooses another token may end later.
            a, b = (expected.dtype, expected.shape[:1]), (received.dtype, received.shape[:1])
        if a != b or expected.ndim != received.ndim:
            raise ExportError(
                f"{graph}: expected {name!r} as {expected.dtype} {expected.shape}, received "
                f"{received.dtype} {received.shape}."
            )
        if received.dtype.kind == "f" and np.isnan(received).any():
            raise ExportError(f"{graph}: expected numbers, received not-a-number in {name!r}.")


def _equal_share(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """The share of equal elements; what only one of two shapes has is not equal."""
    shape = tuple(map(min, zip(a.shape, b.shape)))
    common = tuple(slice(size) for size in shape)
    total = int(np.prod([max(sizes) for sizes in zip(a.shape, b.shape)]))
    return float(np.sum(a[common] == b[common])) / total if total else 1.0


def _difference(arrays: Iterable[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]) -> Any:
    """The relative and the largest difference of arrays of equal shapes."""
    square, norm, largest = 0.0, 0.0, 0.0
    for a, b in arrays:
        a, b = a.astype("float64"), b.astype("float64")
        if not np.array_equal(np.isinf(a), np.isinf(b)):
            return float("inf"), float("inf")
        finite = np.isfinite(a)
        gaps = np.abs(a[finite] - b[finite])
        square, norm = square + float(np.sum(gaps**2)), norm + float(np.sum(a[finite] ** 2))
        largest = max(largest, float(np.max(gaps, initial=0.0)))
    if square == 0:
        return 0.0, 0.0
    return float("inf") if norm == 0 else (square / norm) ** 0.5, largest
