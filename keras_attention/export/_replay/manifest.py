"""What an artifact lists of itself, and whether it holds exactly that."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from .artifact import is_saved_model

NAME = "manifest.json"
FORMAT_VERSION = 1
_LARGEST = 2**26

Folder = str | os.PathLike[str]


def manifest_file(folder: Folder) -> str:
    """Where the manifest of an artifact is, or would be: beside its golden examples."""
    parts = ("assets.extra", NAME) if is_saved_model(folder) else (NAME,)
    return os.path.join(str(folder), *parts)


def checksum(path: Folder) -> dict[str, Any]:
    """The `size` and the `sha256` of a file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
            size += len(block)
    return {"size": size, "sha256": digest.hexdigest()}


def held_files(folder: Folder) -> dict[str, str]:
    """The files of an artifact without its manifest: their path within it, and on the disk.

    Raises:
        RuntimeError: for a link, and what else is neither a file nor a folder.
    """
    root, own = str(folder), manifest_file(folder)
    return {
        os.path.relpath(path, root).replace(os.sep, "/"): path
        for path in sorted(_walk(root, root))
        if path != own
    }


def _walk(root: str, folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _walk(root, entry.path)
            elif stat.S_ISREG(mode):
                yield entry.path
            else:
                name = os.path.relpath(entry.path, root)
                kind = "a link" if stat.S_ISLNK(mode) else "something else"
                raise RuntimeError(f"{name!r}: expected a file or a folder, received {kind}")


def read_manifest(folder: Folder) -> dict[str, Any] | None:
    """The manifest of an artifact, or None where it has none.

    Raises:
        RuntimeError: if it is not one, or is of a later version of the format.
    """
    path = manifest_file(folder)
    if not os.path.lexists(path):
        return None
    # Nothing but a file is opened: a pipe would wait, and a link leads elsewhere.
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
        raise RuntimeError(f"{NAME}: expected a file of at most {_LARGEST:,} bytes")
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
    except (ValueError, RecursionError) as error:
        raise RuntimeError(f"{NAME}: expected JSON, received {type(error).__name__}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise RuntimeError(f"{NAME}: expected a dictionary with files, received none")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise RuntimeError(
            f"{NAME}: expected format_version {FORMAT_VERSION}, received {version!r:.40}"
        )
    return manifest


def differences(folder: Folder, manifest: dict[str, Any]) -> list[str]:
    """A line for each file that is not as the manifest lists it.

    Raises:
        RuntimeError: see `held_files`.
    """
    held, listed = held_files(folder), manifest["files"]
    found = []
    for name in sorted({*held, *listed}):
        about = listed.get(name)
        if name not in held:
            found.append(f"{name!r}: expected a file of the artifact, received none")
        elif about is None:
            found.append(f"{name!r}: expected only files that {NAME} lists, received another")
        elif not isinstance(about, dict):
            found.append(f"{name!r}: expected its size and sha256 in {NAME}, received neither")
        elif os.path.getsize(held[name]) != about.get("size"):
            size = os.path.getsize(held[name])
            found.append(f"{name!r}: expected {about.get('size')} bytes, received {size}")
        elif checksum(held[name])["sha256"] != about.get("sha256"):
            found.append(f"{name!r}: expected the SHA-256 that {NAME} lists, received another")
    return found


def check_manifest(folder: Folder) -> bool:
    """Whether the artifact has a manifest.

    Raises:
        RuntimeError: if it has one and holds anything else.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return False
    found = differences(folder, manifest)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise RuntimeError(f"it is not what its {NAME} lists: {found[0]}{more}")
    return True
