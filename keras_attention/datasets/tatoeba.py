"""Tatoeba's English and Spanish sentences, as in the TensorFlow tutorials."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import keras

from keras_attention.datasets.pairs import Pair, load_pairs_text

_ORIGIN = "https://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip"
_MEMBER = "spa-eng/spa.txt"
_LARGEST = 200 * 2**20


def load_tatoeba(
    path: str | os.PathLike[str] | None = None, sha256: str | None = None
) -> list[Pair]:
    """Tatoeba's English sentences and their Spanish translations, shortest first.

    Most of them are short. The data (Tatoeba, CC BY 2.0, selected by
    manythings.org/anki) is downloaded from the address of the TensorFlow
    tutorials and kept in the data folder of Keras. Nothing is extracted from
    the archive, so that paths inside it do no harm.

    Args:
        path: an archive, or its `spa.txt`, to read instead.
        sha256: SHA-256 of the downloaded archive, or None. The publisher names
            no checksum.

    Returns:
        A list of `Pair`; see `split_pairs` for a training split.

    Raises:
        OSError: if the data cannot be downloaded or read.
        ValueError: if the archive has another checksum or layout.

    Example:

    >>> import pathlib, tempfile, zipfile
    >>> from keras_attention.datasets import load_tatoeba
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "spa-eng.zip")
    ...     with zipfile.ZipFile(file, "w") as archive:
    ...         archive.writestr("spa-eng/spa.txt", "Go.\\tVe.\\n")
    ...     load_tatoeba(file)
    [Pair(source='Go.', target='Ve.')]
    """
    file = Path(_fetched(sha256) if path is None else path)
    if file.suffix == ".txt":
        return load_pairs_text(file.read_bytes(), str(file))
    try:
        with zipfile.ZipFile(file) as archive:
            size = archive.getinfo(_MEMBER).file_size
            if size > _LARGEST:
                raise ValueError(f"path: expected less than {_LARGEST} bytes, received {size}.")
            return load_pairs_text(archive.read(_MEMBER), f"{file}/{_MEMBER}")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            f"path: expected a zip archive with {_MEMBER}, received {str(file)!r}: {error}."
        ) from error


def _fetched(sha256: str | None) -> str:
    try:
        return keras.utils.get_file("spa-eng.zip", _ORIGIN, file_hash=sha256)
    except ValueError:
        raise
    except Exception as error:  # get_file raises plain Exceptions
        raise OSError(
            f"Could not fetch {_ORIGIN}: {error}. Check the network, or fetch the file elsewhere "
            "and pass its path. load_bible() needs only a package index."
        ) from error
