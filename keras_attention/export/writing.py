"""Directories that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves behind is not removed there.
    fcntl = None

# Where the old target is kept while the new one takes its place.
REPLACED = "replaced"


@contextlib.contextmanager
def atomic_directory(
    target: str | Path,
    overwrite: bool = False,
    replaceable: Callable[[Path], bool] | None = None,
) -> Iterator[Path]:
    """Yields an empty directory to write into, which becomes `target` if there is no error.

    Until then it is a hidden directory beside the target,
    `.TARGET-XXXXXXXX.partial`. After an error it is removed, and an existing
    target is left as it was. A killed process leaves the hidden directory
    behind; the next process that writes the same target removes it.

    Args:
        target: the directory to make. Its parent must exist, or the parent of
            that; then the parent is made, and removed after an error.
        overwrite: whether an existing directory may be replaced.
        replaceable: `replaceable(path) -> bool`, whether the existing directory
            is one that may be replaced; by default any.

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
    _check_target(target, overwrite, replaceable)
    parent_is_new = not target.parent.exists()
    if parent_is_new:
        _check_folder(target.parent.parent)
        target.parent.mkdir()
    else:
        _check_folder(target.parent)
    try:
        remove_leftovers(target)
        with _staging(target) as staging:
            # Only its owner may read what mkdtemp makes; a server may be another user.
            fresh = Path(staging, target.name)
            fresh.mkdir()
            yield fresh
            _flush(fresh)
            _put_in_place(fresh, target, Path(staging, REPLACED), overwrite)
    except BaseException:
        if parent_is_new:
            with contextlib.suppress(OSError):
                target.parent.rmdir()
        raise


def remove_leftovers(target: str | Path) -> None:
    """Removes what killed processes left behind while they wrote `target`.

    If one was killed after it moved the old target away and before the new one
    was in place, the old target is restored.
    """
    if fcntl is None:
        return
    target = Path(os.path.abspath(target))
    # The characters that mkdtemp uses: the name of another target may begin alike.
    ours = re.compile(rf"\.{re.escape(target.name)}-[a-z0-9_]{{8}}\.partial")
    for path in target.parent.iterdir():
        if not ours.fullmatch(path.name):
            continue
        with contextlib.suppress(OSError), _Locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if (path / REPLACED).exists() and not os.path.lexists(target):
                (path / REPLACED).rename(target)
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[str]:
    """A new directory beside the target, locked while this process writes."""
    while True:
        path = tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent)
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
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, how)
        except OSError:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> _Locked:
        return self

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


def _put_in_place(fresh: Path, target: Path, aside: Path, overwrite: bool) -> None:
    if not (overwrite and os.path.lexists(target)):
        # Another process may have made the target since it was checked.
        _check_target(target, overwrite, None)
        fresh.rename(target)
        return
    target.rename(aside)
    try:
        fresh.rename(target)
    except BaseException:
        aside.rename(target)
        raise
