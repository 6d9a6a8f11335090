"""The report of one artifact."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from .answers import save_answers
from .artifact import Pairs, artifact_kind, golden_file, read_golden_examples
from .comparing import first_line
from .isolation import MODEL_PACKAGES, Blocker
from .litert import replay_litert
from .manifest import check_manifest
from .onnx import replay_onnx
from .saved_model import replay_saved_model

Replay = Callable[[str, dict[str, Pairs], float], Iterator[dict[str, Any]]]

# A new format needs a function here, and a suffix in `artifact.GRAPH_FILES`.
REPLAYS: dict[str, Replay] = {
    "saved_model": replay_saved_model,
    "onnx": replay_onnx,
    "litert": replay_litert,
}


def check_artifact(folder: str, tolerance: float) -> dict[str, Any]:
    """The report of an artifact: rows, and why it could not be read, if so.

    Nothing of it is loaded before its files are compared with its manifest.
    """
    report: dict[str, Any] = {"rows": [], "error": None, "has_manifest": True}
    try:
        report["has_manifest"] = check_manifest(folder)
        path = golden_file(folder)
        if path is None:
            raise RuntimeError("the golden examples (examples.npz) are missing")
        try:
            examples = read_golden_examples(path)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise RuntimeError(f"{path} cannot be read: {first_line(error)}") from error
        kind = artifact_kind(folder)
        if kind is None:
            raise RuntimeError("it holds no saved_model.pb and no *.onnx or *.tflite files")
        report["rows"].extend(REPLAYS[kind](folder, examples, tolerance))
    except Exception as error:
        report["error"] = str(error) if type(error) is RuntimeError else first_line(error)
    return report


def answer(folder: str, path: str) -> dict[str, Any]:
    """The report of an artifact that writes its own answers, with no rows."""
    report: dict[str, Any] = {"rows": [], "error": None}
    try:
        save_answers(folder, path)
    except Exception as error:
        report["error"] = str(error) if type(error) is RuntimeError else first_line(error)
    return report


def main(folder: str, tolerance: float, answers: str | None = None) -> None:
    """Prints the report of an artifact as one line of JSON.

    Args:
        folder: the artifact.
        tolerance: the largest allowed difference of floats.
        answers: where to write its own answers, in place of comparing them.
    """
    forbidden: tuple[str, ...] = MODEL_PACKAGES
    if artifact_kind(folder) != "saved_model":
        forbidden = (*forbidden, "tensorflow")
    sys.meta_path.insert(0, Blocker(forbidden))
    report = check_artifact(folder, tolerance) if answers is None else answer(folder, answers)
    print(json.dumps(report))
