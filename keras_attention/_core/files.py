"""Files that are written whole or not at all, and what is done with one that cannot be read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields the path of a file to write, which takes the place of `path` if there is no error.

    Until then `path` is as it was. The new file lies beside it, and is on the disk before it is
    renamed: neither a killed process nor a power cut leaves half of a file at `path`.

    Args:
        path: a file that may exist, in a folder that exists.

    Example:

    >>> import os, tempfile
    >>> from keras_attention._core.files import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(os.path.join(folder, "note.txt")) as unfinished:
    ...         _ = unfinished.write_text("whole")
    ...     os.listdir(folder)
    ['note.txt']
    """
    path = Path(path)
    # Keras tells formats by the end of a name.
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        yield unfinished
        flush(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    flush(path.parent)


def flush(path: str | Path) -> None:
    """Writes a file or the names in a folder to the disk itself, where the system has a call."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, "utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def set_aside(path: Path, reason: object, consequence: str) -> None:
    """Renames a file that cannot be used to `NAME.unreadable`, and prints one line about it.

    Args:
        path: the file.
        reason: why it cannot be used.
        consequence: what happens without it, a sentence.
    """
    aside = path.with_name(f"{path.name}.unreadable")
    os.replace(path, aside)
    print(f"{path} cannot be used: {reason} It is kept as {aside.name}. {consequence}", flush=True)
