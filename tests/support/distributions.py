"""What a person installs: the files that git tracks, packed as a wheel or a source distribution."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest


def clone_tracked_files(root: Path, target: Path) -> list[str]:
    """Copies the tracked files of a repository; returns their names."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    names = listed.stdout.split("\0")[:-1]
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, path)
    return names


def build(kind: Literal["sdist", "wheel"], clone: Path, folder: Path) -> Path:
    """Packs `clone` into `folder`; skips the test where setuptools is too old to do it."""
    # Not imported here: it replaces `distutils`, which other tests may have imported.
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("building needs setuptools 77")
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built
