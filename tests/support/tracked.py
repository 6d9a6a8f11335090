"""The files that git tracks, as a person has them who clones the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


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
