"""Directories that appear complete or not at all."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


@contextlib.contextmanager
def atomic_directory(target, overwrite=False, replaceable=None):
    """Gives an empty directory to write into, which becomes `target` where all went well.

    It lies beside the target until then. After an error nothing of it is left,
    and a target that was there before is there still.

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
        staging = tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent)
        try:
            # mkdtemp is readable for its owner alone; a server may be somebody else.
            fresh = Path(staging, target.name)
            fresh.mkdir()
            yield fresh
            _put_in_place(fresh, target, Path(staging, "replaced"), overwrite)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException:
        if parent_is_new:
            with contextlib.suppress(OSError):
                target.parent.rmdir()
        raise


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
