"""How an answer is compared with the one that was recorded."""

import numpy as np


def plain(array):
    """An array of a type that numpy itself has: text for bytes, float32 for bfloat16.

    Bytes that are no text, such as those of an image, keep apart what differs.
    """
    array = np.asarray(array)
    if array.dtype == object or array.dtype.kind == "S":
        texts = [x.decode("utf-8", "surrogateescape") for x in array.ravel().tolist()]
        return np.array(texts, dtype=np.str_).reshape(array.shape)
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def compare(expected, received, tolerance):
    """The largest difference of floats, and a line for every output that is wrong."""
    largest, problems, discrete_equal = 0.0, [], True
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
                # Float32 itself is no finer than that above 100.
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


def replay(name, loader, cases, run, tolerance):
    """One row of the report: every case of one signature through one loader."""
    row = {"name": name, "loader": loader, "cases": len(cases), "ids_equal": True}
    row |= {"max_abs_difference": 0.0, "problems": []}
    for i, (inputs, outputs) in enumerate(cases):
        try:
            largest, problems, equal = compare(outputs, run(inputs), tolerance)
        except Exception as error:
            largest, problems, equal = float("inf"), [f"failed: {first_line(error)}"], False
        row["max_abs_difference"] = max(row["max_abs_difference"], largest)
        row["problems"] += [f"case {i}: {problem}" for problem in problems]
        row["ids_equal"] = row["ids_equal"] and equal
    return row


def first_line(error):
    """An error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:500]}"
