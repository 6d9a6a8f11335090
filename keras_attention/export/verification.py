"""Verification: a fresh process repeats an artifact's golden examples and compares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from keras_attention.export import _replay as replay
from keras_attention.export._replay.artifact import Pairs
from keras_attention.export.errors import ExportError

TOLERANCE = 1e-4
NO_MANIFEST = "{} has no manifest.json: its files cannot be checked, only what they answer."


def verify(path: str | Path, tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Checks that an artifact still answers as its model did when it was written.

    First its files are compared with its `manifest.json`: none may be missing,
    changed, more than listed, or a link. Of an artifact without one a warning
    says so.

    The artifact contains golden examples: inputs, and the answers of the live
    model. A fresh process that cannot import Keras replays them: a SavedModel
    through TensorFlow's Python loader and its TF1 loader, with its warmup
    requests, ONNX through onnx's checker and onnxruntime, LiteRT through
    ai-edge-litert. Ids and texts must be equal, floats within `tolerance`
    (numbers above 100, where float32 is coarser, within a hundredth of
    `tolerance` times the number). The answers in an artifact of another
    precision than float32 are its own; in int8 another processor may need a
    larger `tolerance`, where it rounds an input of a product to the other side.

    Args:
        path: an ONNX or LiteRT directory, a SavedModel, or a directory of
            versions, all of which are checked.
        tolerance: the largest allowed difference of floats.

    Returns:
        A dictionary with `ids_equal`, `max_abs_difference`, and the names of
        the `signatures` (SavedModel) or `graphs` (ONNX, LiteRT).

    Raises:
        ExportError: if an artifact cannot be read, is not what its manifest
            lists, or answers differently;
            the message names signature, output and difference.
        FileNotFoundError: if there is no artifact.

    Example:

    >>> from keras_attention.export import verify
    >>> verify("nowhere")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere does not exist.
    """
    reports = [verify_artifact(folder, tolerance) for folder in artifacts(path)]
    merged = dict(reports[0])
    for report in reports[1:]:
        merged |= {k: report[k] for k in ("signatures", "graphs") if k in report}
        merged["max_abs_difference"] = max(
            merged["max_abs_difference"], report["max_abs_difference"]
        )
    return merged


def artifacts(path: str | Path) -> list[Path]:
    """The artifacts at a path: itself, or its versions.

    Args:
        path: a directory.

    Returns:
        A list of paths.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if replay.artifact_kind(path):
        return [path]
    versions = [p for p in path.glob("*") if p.name.isdecimal() and p.is_dir()]
    if not versions:
        raise FileNotFoundError(
            f"{path} holds no artifact: expected a saved_model.pb, *.onnx or *.tflite files, or "
            "directories named by their version, such as 1."
        )
    return sorted(versions, key=lambda p: int(p.name))


def verify_artifact(
    folder: Path, tolerance: float = TOLERANCE, target: Path | None = None
) -> dict[str, Any]:
    """`verify` for exactly one artifact; errors call it `target`, where it will be, if given."""
    replayed = replay_in_fresh_process(folder, tolerance)
    raise_on_difference(folder if target is None else target, replayed)
    if not replayed["has_manifest"]:
        warnings.warn(NO_MANIFEST.format(folder), stacklevel=2)
    rows = replayed["rows"]
    return {
        "ids_equal": all(row["ids_equal"] for row in rows),
        "max_abs_difference": max(row["max_abs_difference"] for row in rows),
        "signatures" if replay.is_saved_model(folder) else "graphs": list(
            dict.fromkeys(row["name"] for row in rows)
        ),
    }


def raise_on_difference(folder: Path, replayed: dict[str, Any]) -> None:
    """Raises `ExportError` if `replay_in_fresh_process` reported a problem."""
    if replayed["error"]:
        raise ExportError(f"{folder} cannot be verified: {replayed['error']}")
    problems = [
        f"{row['name']} ({row['loader']}), {problem}"
        for row in replayed["rows"]
        for problem in row["problems"]
    ]
    if problems:
        more = f" (and {len(problems) - 1} more differences)" if len(problems) > 1 else ""
        raise ExportError(f"{folder} does not answer as its model did: {problems[0]}{more}.")


def replay_in_fresh_process(folder: Path, tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Runs `replay` on one artifact.

    Args:
        folder: the artifact.
        tolerance: the largest allowed difference of floats.

    Returns:
        A dictionary with `rows`, one per signature or graph and loader,
        `error`, None if everything could be read, and `has_manifest`.

    Raises:
        ExportError: if the process ended without a report.
    """
    return _report_of_process(folder, repr(float(tolerance)))


def answers_in_fresh_process(folder: Path) -> dict[str, Pairs]:
    """What an artifact answers to its golden examples, whose answers may be others.

    Args:
        folder: an artifact of ONNX or LiteRT graphs.

    Returns:
        A list of `(inputs, outputs)` by the name of the graph.

    Raises:
        ExportError: if it cannot be loaded, or answers with an error.
    """
    with tempfile.TemporaryDirectory() as aside:
        path = os.path.join(aside, "answers.npz")
        raise_on_difference(folder, _report_of_process(folder, repr(TOLERANCE), path))
        return replay.read_golden_examples(path)


def _report_of_process(folder: Path, *arguments: str) -> dict[str, Any]:
    # The live model may hold the memory of the GPU; an artifact must run without.
    environment = {
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, os.path.dirname(replay.__file__), str(folder), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = "; ".join(done.stderr.strip().splitlines()[-3:])
        raise ExportError(
            f"{folder} cannot be verified: the process that loads it ended with code "
            f"{done.returncode}: {last}"
        ) from error
