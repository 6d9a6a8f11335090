"""`manifest.json`: what an artifact is, what it was made with, and every file of it."""

from __future__ import annotations

import importlib
import json
import math
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from keras_attention._core.types import Config
from keras_attention.export._replay.artifact import artifact_kind
from keras_attention.export._replay.manifest import (
    FORMAT_VERSION,
    NAME,
    check_manifest,
    checksum,
    held_files,
    manifest_file,
    read_manifest,
)
from keras_attention.export.inspection import signatures_of
from keras_attention.export.writer import Job

__all__ = ["NAME", "check_manifest", "describe", "figures_of", "read_manifest", "write_manifest"]


def describe(job: Job, packages: Iterable[str], folder: str | Path) -> Config:
    """What a manifest says besides the files, of an artifact whose graphs are written.

    Args:
        job: what was written.
        packages: the modules that wrote the artifact and that run it.
        folder: the artifact.

    Returns:
        A dictionary that JSON can hold: `format_version`, `format`, `kind`,
        `library` and `runtime` (versions by package), `model` (`class`, `name`
        and `config`, as far as it has them), `signatures` (see
        `describe_artifact`), `limits` (see `Job`), `figures` and `precision` (of
        the `weights`).
    """
    # Here, because the package is still being imported when its exporter is.
    from keras_attention import __version__

    folder = Path(folder)
    held = artifact_kind(folder)
    return {
        "format_version": FORMAT_VERSION,
        "format": job.format,
        "kind": job.kind,
        "library": {"keras_attention": __version__},
        "runtime": {"python": platform.python_version(), **_versions(packages)},
        "model": {
            "class": keras.saving.get_registered_name(type(job.model)),
            "name": job.model.name if isinstance(job.model, keras.Model) else None,
            "config": _config(job.model),
        },
        "signatures": {} if held is None else signatures_of(folder, held),
        "limits": job.limits,
        "figures": dict(job.figures),
        "precision": {"weights": "float32"},
    }


def write_manifest(folder: str | Path, contents: Config) -> None:
    """Writes `manifest.json`: `contents`, and under `files` every file with size and SHA-256.

    It is the last file that an artifact gets, or is written again after others.

    Args:
        folder: the artifact. In a SavedModel the file is
            `assets.extra/manifest.json`, where TensorFlow's loaders, Keras and
            TensorFlow Serving look for nothing.
        contents: of `describe`, or of `read_manifest`.

    Raises:
        RuntimeError: if the artifact holds anything but files and folders.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.export.manifest import check_manifest, read_manifest, write_manifest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "vocabulary.json").write_text("{}")
    ...     write_manifest(folder, {"format_version": 1})
    ...     check_manifest(folder), read_manifest(folder)["files"]["vocabulary.json"]["size"]
    (True, 2)
    """
    files = {name: checksum(path) for name, path in held_files(folder).items()}
    path = Path(manifest_file(folder))
    path.parent.mkdir(exist_ok=True)
    text = json.dumps({**contents, "files": files}, indent=1, allow_nan=False)
    path.write_text(text + "\n", "utf-8")


def figures_of(report: object) -> dict[str, float]:
    """The numbers of a report, as `export_model(figures=...)` takes them.

    Args:
        report: what a recipe wrote as `report.json`; anything else has none.

    Example:

    >>> from keras_attention.export.manifest import figures_of
    >>> figures_of({"test_wer": 27.9, "settings": {"units": 8}, "best": True})
    {'test_wer': 27.9}
    """
    numbers = report.items() if isinstance(report, Mapping) else ()
    return {
        str(name): value
        for name, value in numbers
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    return {name: str(importlib.import_module(name).__version__) for name in packages}


def _config(model: object) -> Any:
    """The configuration of a Keras model; None of what has none that JSON can hold."""
    if not isinstance(model, keras.Model):
        return None
    try:
        config = keras.saving.serialize_keras_object(model)["config"]
        json.dumps(config, allow_nan=False)
    except (NotImplementedError, TypeError, ValueError):
        return None
    return config
