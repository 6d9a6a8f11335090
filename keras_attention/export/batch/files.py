"""Files of this machine and of others, through the file systems of Apache Beam."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

from keras_attention._core.optional import require

_BLOCK = 2**22


def _systems() -> Any:
    return require("apache_beam.io.filesystems", "beam").FileSystems


def _is_local(path: str) -> bool:
    return _systems().get_scheme(path) is None


def open_file(path: str) -> BinaryIO:
    """Opens a file to read bytes; a compressed file is not unpacked."""
    return _systems().open(path, compression_type="uncompressed")


def blocks(path: str) -> Iterator[bytes]:
    """The bytes of a file, some megabytes at a time."""
    with open_file(path) as stream:
        while block := stream.read(_BLOCK):
            yield block


def digest_of(path: str) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.hexdigest()


def exists(path: str) -> bool:
    """Whether there is a file, a folder, or a link that leads nowhere."""
    return os.path.lexists(path) if _is_local(path) else _systems().exists(path)


def same_file(first: str, second: str) -> bool:
    """Whether two paths are one file, also through links."""
    if _is_local(first) and _is_local(second):
        with contextlib.suppress(OSError):
            return os.path.samefile(first, second)
        return os.path.realpath(first) == os.path.realpath(second)
    return first == second


def make_folder(path: str) -> None:
    """Makes a folder where there is none; some file systems have no folders."""
    with contextlib.suppress(OSError):
        _systems().mkdirs(path)


def listed(folder: str, pattern: str = "*") -> set[str]:
    """The paths below a folder, relative to it, that fit a pattern; the folder is no pattern."""
    if _is_local(folder):
        return set(glob.glob(pattern, root_dir=folder))
    # Beam cannot quote: a character that it would take for a pattern stands for any other.
    quoted = re.sub(r"[][*?\\]", "?", folder)
    found = _systems().match([f"{quoted}/{pattern}"])[0].metadata_list
    paths = [one.path for one in found]
    return {path[len(folder) + 1 :] for path in paths if path.startswith(f"{folder}/")}


def delete(path: str) -> None:
    """Removes a file, if it is there."""
    # Beam would take the path of a local file for a pattern.
    if _is_local(path):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
    elif exists(path):
        _systems().delete([path])


class Written(NamedTuple):
    """A file that is complete under another name, and its SHA-256."""

    partial: str
    path: str
    sha256: str

    def put(self) -> None:
        """Gives the file its name; what was there before is replaced."""
        _systems().rename([self.partial], [self.path])


@contextlib.contextmanager
def writing(path: str, lines: Iterable[str]) -> Iterator[Written]:
    """Writes lines under another name, so that the file is never there in part.

    Inside, `put` gives it its name. What has no name at the end is removed.
    """
    partial, digest = f"{path}.{uuid.uuid4().hex}.partial", hashlib.sha256()
    try:
        with _systems().create(partial, "text/plain", "uncompressed") as stream:
            for line in lines:
                data = line.encode("utf-8", "backslashreplace") + b"\n"
                digest.update(data)
                stream.write(data)
            if isinstance(stream, _Descriptor):
                stream.flush()
                os.fsync(stream.fileno())
        yield Written(partial, path, digest.hexdigest())
    finally:
        with contextlib.suppress(Exception):
            delete(partial)


@runtime_checkable
class _Descriptor(Protocol):
    """A stream of this machine, in contrast to one of a network."""

    def fileno(self) -> int: ...
    def flush(self) -> None: ...


def write_whole(path: str, lines: Iterable[str]) -> None:
    """Writes a file of lines, whole or not at all."""
    with writing(path, lines) as written:
        written.put()
