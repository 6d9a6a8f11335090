"""Reading `.keras` files, with errors that say what is wrong with a file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras


def load_model(path: str | Path, compile: bool = True) -> Any:
    """Reads a model that `model.save` wrote, in safe mode: the file brings no code.

    `import keras_attention` comes first; it registers the classes that a file names.
    `keras.saving.load_model` says "File not found" of a file that was cut off, too.

    Args:
        path: a `.keras` file.
        compile: whether the model is compiled as it was when saved.

    Returns:
        The model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, was not written in full, or is no Keras model.

    Example:

    >>> import os, tempfile
    >>> from keras_attention._core.loading import load_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "half.keras")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(b"PK")
    ...     load_model(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: ...half.keras is damaged or no .keras file: 2 bytes that are no zip archive. ...
    """
    path = check_keras_file(path)
    try:
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"{path} cannot be loaded as a Keras model: {type(error).__name__}: {reason[:300]}"
        ) from error


def check_keras_file(path: str | Path) -> Path:
    """The path of a file that is a zip archive, as `.keras` files are; refuses anything else."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_file():
        raise ValueError(f"{path} is no file: expected what model.save('NAME.keras') wrote.")
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is damaged or no .keras file: {path.stat().st_size:,} bytes that are no zip "
            "archive. Perhaps it was not written or copied in full; save the model again."
        )
    return path
