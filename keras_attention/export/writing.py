"""Directories that appear complete or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves behind is not removed there.
    fcntl = None

# Where the old target is kept while the new one takes its place, if the two cannot be exchanged.
REPLACED = "replaced"
# The directories to write into, with the characters that mkdtemp uses.
_LEFTOVER = re.compile(r"\.(.+)-[a-z0-9_]{8}\.partial")
# Of the Linux call renameat2.
_NOREPLACE, _EXCHANGE, _AT_FDCWD = 1, 2, -100


@contextlib.contextmanager
def atomic_directory(
    target: str | Path,
    overwrite: bool = False,
    replaceable: Callable[[Path], bool] | None = None,
    instead: Callable[[], Path] | None = None,
) -> Iterator[Path]:
    """Yields an empty directory to write into, which becomes `target` if there is no error.

    Until then it is a hidden directory beside the target,
    `.TARGET-XXXXXXXX.partial`. After an error it is removed, and an existing
    target is left as it was. A killed process leaves the hidden directory
    behind; the next process that writes the same target removes it.

    An old target and the new one are exchanged in one step, so that there is a
    target at every moment. Where the system cannot do that (Linux can, on
    nearly all file systems), the old one is moved aside first, and back if
    there is an error.

    Args:
        target: the directory to make. Its parent must exist, or the parent of
            that; then the parent is made, and removed after an error.
        overwrite: whether an existing directory may be replaced.
        replaceable: `replaceable(path) -> bool`, whether the existing directory
            is one that may be replaced; by default any. A link never is.
        instead: `instead() -> path`, another target beside the first, where
            another process has made that meanwhile; by default that is an
            error.

    Raises:
        FileExistsError: if the target exists and `overwrite` is not set, or it
            is not replaceable.
        FileNotFoundError, NotADirectoryError: if there is no directory to write
            into.
        OSError: if writing is not allowed.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export.writing import atomic_directory
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with atomic_directory(os.path.join(parent, "artifact")) as folder:
    ...         _ = (folder / "file").write_text("complete")
    ...     os.listdir(parent)
    ['artifact']
    """
    target = Path(os.path.abspath(target))
    parent_is_new = not target.parent.exists()
    if parent_is_new:
        _check_folder(target.parent.parent)
        target.parent.mkdir(exist_ok=True)
    else:
        _check_folder(target.parent)
    try:
        remove_leftovers(target.parent, target.name.__eq__)
        if instead is None:
            _check_target(target, overwrite, replaceable)
        with _staging(target) as staging:
            # Only its owner may read what mkdtemp makes; a server may be another user.
            fresh = Path(staging, target.name)
            fresh.mkdir()
            yield fresh
            _flush(fresh)
            while True:
                try:
                    # Another process may have made the target since it was checked.
                    _check_target(target, overwrite, replaceable)
                except FileExistsError:
                    if instead is None:
                        raise
                    target = Path(os.path.abspath(instead()))
                if overwrite and os.path.lexists(target):
                    placed = _replaced(target, fresh, Path(staging, REPLACED))
                else:
                    placed = _renamed_to_new(fresh, target)
                if placed:
                    break
                os.stat(fresh)  # If that is gone, another try is of no use.
    except BaseException:
        if parent_is_new:
            with contextlib.suppress(OSError):
                target.parent.rmdir()
        raise


def next_version(path: str | Path, overwrite: bool = False) -> int:
    """The version to write below a path: one more than the highest, or the highest again.

    What an interrupted export has left of a version is restored or removed first.

    Args:
        path: a directory, which may not exist yet.
        overwrite: whether the highest is to be replaced.

    Returns:
        A positive integer.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.export.writing import next_version
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkdir(os.path.join(folder, "7"))
    ...     next_version(folder), next_version(folder, overwrite=True), next_version("nowhere")
    (8, 7, 1)
    """
    path = Path(path)
    names = []
    if path.is_dir():
        remove_leftovers(path, str.isdecimal)
        names = os.listdir(path)
    highest = max((int(name) for name in names if name.isdecimal()), default=0)
    return max(1, highest if overwrite else highest + 1)


def remove_leftovers(parent: str | Path, is_target: Callable[[str], bool]) -> None:
    """Removes what killed processes left behind in a directory while they wrote targets.

    If one was killed after it moved the old target away and before the new one
    was in place, the old target is restored. Links are removed, and what they
    lead to is left as it is.

    Args:
        parent: the directory of the targets.
        is_target: `is_target(name) -> bool`, of which targets.
    """
    if fcntl is None:
        return
    for name in os.listdir(parent):
        found = _LEFTOVER.fullmatch(name)
        if found is None or not is_target(found[1]):
            continue
        path = Path(parent, name)
        with contextlib.suppress(OSError):
            if path.is_symlink():
                path.unlink()
                continue
            with _Locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as leftover:
                leftover.restore(REPLACED, Path(parent, found[1]))
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[str]:
    """A new directory beside the target, locked while this process writes."""
    while True:
        # Another process may have made the parent, and removed it after an error.
        target.parent.mkdir(exist_ok=True)
        try:
            path = tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent)
        except FileNotFoundError:
            continue
        lock: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        try:
            lock = _Locked(path, fcntl.LOCK_EX) if fcntl else lock
        except FileNotFoundError:
            continue
        except OSError:
            # Some network file systems have no locks; then it is not removed either.
            pass
        # Before it was locked, another process may have removed it as a leftover.
        if os.path.exists(path):
            break
    with lock:
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


class _Locked:
    """Holds the lock of a directory; the system releases it when the process ends."""

    def __init__(self, path: str | Path, how: int) -> None:
        assert fcntl is not None
        # A link or a pipe in its place is not opened.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._descriptor, how)
        except OSError:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> _Locked:
        return self

    def restore(self, name: str, target: Path) -> None:
        """Moves a directory out of this one to a target that is missing; a link stays."""
        with contextlib.suppress(FileNotFoundError):
            kept = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            if stat.S_ISDIR(kept.st_mode) and not os.path.lexists(target):
                os.rename(name, target, src_dir_fd=self._descriptor)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def _flush(folder: Path) -> None:
    """Writes everything to the disk itself, so that a power cut leaves no empty files."""
    if fcntl is None:
        return
    for place, _, files in os.walk(folder):
        for name in [*files, "."]:
            descriptor = os.open(os.path.join(place, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _check_target(
    target: Path, overwrite: bool, replaceable: Callable[[Path], bool] | None
) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise FileExistsError(
            f"{target} exists already. Choose another target, or allow it to be overwritten "
            "(overwrite=True, or --overwrite)."
        )
    if target.is_symlink():
        raise FileExistsError(
            f"{target} is a link, so it is not overwritten. Name the directory that it leads to, "
            "or remove it yourself."
        )
    if replaceable is not None and not replaceable(target):
        raise FileExistsError(
            f"{target} exists already and is no exported artifact, so it is not overwritten. "
            "Choose another target, or remove it yourself."
        )


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist. Make this directory first.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no directory, nothing can be written into it.")


def _replaced(target: Path, fresh: Path, aside: Path) -> bool:
    """Puts a directory in place of an old one; False if another process did so meanwhile."""
    if _renamed(fresh, target, _EXCHANGE):
        return True
    # What is aside from an earlier try is older than the target of the other process.
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        target.rename(aside)
    try:
        return _renamed_to_new(fresh, target)
    except BaseException:
        if aside.exists():
            _renamed_to_new(aside, target)
        raise


def _renamed_to_new(path: Path, target: Path) -> bool:
    """Renames a directory to a name that is free; False if it is not."""
    if _renamed(path, target, _NOREPLACE):
        return True
    # By itself rename replaces an empty directory.
    if os.path.lexists(target):
        return False
    try:
        path.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _renamed(path: Path, target: Path, flag: int) -> bool:
    """Whether Linux has renamed a path in one step, as the flag says."""
    if sys.platform != "linux":
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    old, new = os.fsencode(path), os.fsencode(target)
    return bool(renameat2(_AT_FDCWD, old, _AT_FDCWD, new, flag) == 0)
