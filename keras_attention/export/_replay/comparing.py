"""Compares an answer with the one that was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .artifact import Arrays, Pairs


def plain(array: Any) -> np.ndarray[Any, Any]:
    """An array of a type that numpy itself has: text for bytes, float32 for bfloat16.

    Bytes that are no text, such as those of an image, become different texts if
    they differ.
    """
    array = np.asarray(array)
    if array.dtype == object or array.dtype.kind == "S":
        texts = [x.decode("utf-8", "surrogateescape") for x in array.ravel().tolist()]
        return np.array(texts, dtype=np.str_).reshape(array.shape)
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def compare(expected: Arrays, received: Arrays, tolerance: float) -> tuple[float, list[str], bool]:
    """The largest difference of floats, a line per wrong output, and whether all ids are equal."""
    largest, discrete_equal = 0.0, True
    problems: list[str] = []
    for name in sorted(set(expected) | set(received)):
        if name not in received or name not in expected:
            side = "is missing" if name not in received else "was not there before"
            problems.append(f"output {name!r} {side}")
            discrete_equal = False
            continue
        a, b = plain(expected[name]), plain(received[name])
        floats = a.dtype.kind == "f"
        same_type = a.dtype == b.dtype or a.dtype.kind == b.dtype.kind == "U"
        if a.shape != b.shape or not same_type:
            problems.append(
                f"output {name!r} is {b.dtype} of shape {b.shape}, expected {a.dtype} of {a.shape}"
            )
            discrete_equal = discrete_equal and floats
        elif not floats:
            wrong = int(np.sum(a != b))
            if wrong:
                problems.append(f"output {name!r} differs in {wrong} of {a.size} elements")
                discrete_equal = False
        elif a.size:
            a, b = a.astype("float64"), b.astype("float64")
            with np.errstate(invalid="ignore"):
                gaps = np.where(a == b, 0.0, np.abs(a - b))
                # Above 100 float32 itself is coarser.
                allowed = tolerance * np.maximum(1.0, np.abs(a) / 100)
                wrong = int(np.sum(~(gaps <= allowed)))
            gap = float(np.max(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf)))
            largest = max(largest, gap)
            if wrong:
                problems.append(
                    f"output {name!r} differs by {gap:.3g} ({wrong} of {a.size} numbers), allowed "
                    f"is {tolerance:g}"
                )
    return largest, problems, discrete_equal


def replay(
    name: str, loader: str, examples: Pairs, run: Callable[[Arrays], Arrays], tolerance: float
) -> dict[str, Any]:
    """One row of the report: all golden examples of one signature through one loader."""
    row: dict[str, Any] = {"name": name, "loader": loader, "cases": len(examples)}
    row |= {"ids_equal": True, "max_abs_difference": 0.0, "problems": []}
    for i, (inputs, outputs) in enumerate(examples):
        try:
            largest, problems, equal = compare(outputs, run(inputs), tolerance)
        except Exception as error:
            largest, problems, equal = float("inf"), [f"failed: {first_line(error)}"], False
        row["max_abs_difference"] = max(row["max_abs_difference"], largest)
        row["problems"] += [f"case {i}: {problem}" for problem in problems]
        row["ids_equal"] = row["ids_equal"] and equal
    return row


def first_line(error: BaseException) -> str:
    """An error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:500]}"
