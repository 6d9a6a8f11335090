"""Directories that appear complete or not at all."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where what a killed process leaves behind stays.
    fcntl = None

# Where an old target lies while the new one takes its place.
REPLACED = "replaced"


@contextlib.contextmanager
def atomic_directory(target, overwrite=False, replaceable=None):
    """Gives an empty directory to write into, which becomes `target` where all went well.

    It lies beside the target until then, hidden as `.TARGET-XXXXXXXX.partial`.
    After an error nothing of it is left, and a target that was there before is
    there still. A process that is killed leaves it behind; who writes the same
    target next takes it away.

    Args:
        target: where the directory is to appear. Its parent must exist, or the
            parent's parent; then the parent is made, and taken away after an
            error.
        overwrite: whether a directory that is there may be replaced.
        replaceable: `replaceable(path) -> bool`, whether a directory that is
            there is one that may be replaced; by default any.

    Raises:
        FileExistsError: where the target is there and `overwrite` is not set,
            or where it is not replaceable.
        FileNotFoundError, NotADirectoryError: where there is no directory to
            write into.
        OSError: where writing is not allowed.

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
            # mkdtemp is readable for its owner alone; a server may be somebody else.
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


def remove_leftovers(target):
    """Removes what killed processes left behind on their way to `target`.

    Where one was killed between taking away an old target and putting the new
    one in its place, the old one comes back.
    """
    target = Path(os.path.abspath(target))
    # Letters and digits as mkdtemp draws them: another target may begin alike.
    ours = re.compile(rf"\.{re.escape(target.name)}-[a-z0-9_]{{8}}\.partial")
    for path in target.parent.iterdir() if fcntl else ():
        if not ours.fullmatch(path.name):
            continue
        with contextlib.suppress(OSError), _Locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if (path / REPLACED).exists() and not os.path.lexists(target):
                (path / REPLACED).rename(target)
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _staging(target):
    """A new directory beside the target, locked as long as this process lives and writes."""
    while True:
        path = tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent)
        try:
            lock = _Locked(path, fcntl.LOCK_EX) if fcntl else contextlib.nullcontext()
        except FileNotFoundError:
            continue
        except OSError:
            # Not every network file system has locks; there nobody takes it away either.
            lock = contextlib.nullcontext()
        # Before it was locked, somebody may have taken it for a leftover.
        if os.path.exists(path):
            break
    with lock:
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


class _Locked:
    """Holds the lock of a directory; the system gives it back when a process is killed."""

    def __init__(self, path, how):
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, how)
        except OSError:
            os.close(self._descriptor)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self._descriptor)


def _flush(folder):
    """Has everything written to the disk itself, so that a power cut leaves no empty files."""
    if fcntl is None:
        return
    for place, _, files in os.walk(folder):
        for name in [*files, "."]:
            descriptor = os.open(os.path.join(place, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _check_target(target, overwrite, replaceable):
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise FileExistsError(
            f"{target} is there already. Choose another target, or allow it to be "
            "overwritten (overwrite=True, or --overwrite)."
        )
    if replaceable is not None and not replaceable(target):
        raise FileExistsError(
            f"{target} is there already and is no exported artifact, so it is not overwritten. "
            "Choose another target, or remove it yourself."
        )


def _check_folder(folder):
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist. Make this directory first.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no directory, nothing can be written into it.")


def _put_in_place(fresh, target, aside, overwrite):
    if not (overwrite and os.path.lexists(target)):
        # Somebody else may have made the target since it was checked.
        _check_target(target, overwrite, None)
        fresh.rename(target)
        return
    target.rename(aside)
    try:
        fresh.rename(target)
    except BaseException:
        aside.rename(target)
        raise
