"""Tatoeba's English and Spanish sentences, as the TensorFlow tutorials use them."""

import zipfile
from pathlib import Path

import keras

from keras_attention.datasets.pairs import load_pairs_text

_ORIGIN = "https://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip"
_MEMBER = "spa-eng/spa.txt"
_LARGEST = 200 * 2**20


def load_tatoeba(path=None, sha256=None):
    """Tatoeba's English sentences and their Spanish translations, shortest first.

    Most of them are short. The data (Tatoeba, CC BY 2.0, selected by
    manythings.org/anki) comes from the address of the TensorFlow tutorials and
    is kept in Keras' data folder. The archive is read where it is: nothing is
    extracted, so that no path inside it matters.

    Args:
        path: an archive fetched before, or its `spa.txt`, to read instead.
        sha256: what the downloaded archive must hash to, or None. Its
            publisher names no checksum.

    Returns:
        A list of `Pair`; see `split_pairs` for what to train on.

    Raises:
        OSError: where the data cannot be fetched or read.
        ValueError: for another checksum, or an archive with another layout.

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
    path = Path(_fetched(sha256) if path is None else path)
    if path.suffix == ".txt":
        return load_pairs_text(path.read_bytes(), str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(_MEMBER).file_size
            if size > _LARGEST:
                raise ValueError(f"path: expected less than {_LARGEST} bytes, received {size}.")
            return load_pairs_text(archive.read(_MEMBER), f"{path}/{_MEMBER}")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            f"path: expected a zip archive with {_MEMBER}, received {str(path)!r}: {error}."
        ) from error


def _fetched(sha256):
    try:
        return keras.utils.get_file("spa-eng.zip", _ORIGIN, file_hash=sha256)
    except ValueError:
        raise
    except Exception as error:  # get_file raises plain Exceptions
        raise OSError(
            f"Could not fetch {_ORIGIN}: {error}. Check the network, or fetch the file elsewhere "
            "and give its path. load_bible() needs only a package index."
        ) from error
