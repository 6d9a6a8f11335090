"""Image features that a frozen encoder computes once, stored on disk."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention._core.files import write_json
from keras_attention._core.types import Config, Structure
from keras_attention.datasets.captions import CaptionedImages


class CaptionedFeatures(NamedTuple):
    """The features `(h, w, D)` of an image and one of its captions.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import CaptionedFeatures
    >>> CaptionedFeatures(np.zeros((3, 3, 8), "float16"), "a dog").caption
    'a dog'
    """

    features: NDArray[Any]
    caption: str


class CachedFeatures:
    """One example per caption, with the features of its image: `[i]` is a `CaptionedFeatures`.

    The encoder runs once per image. The features are stored in a float16 file,
    which is used again if encoder and images are the same. An interrupted
    computation resumes where it stopped.

    Args:
        images: `CaptionedImages`.
        encoder: maps images `(B, H, W, 3)` from 0 to 255 to features
            `(B, h, w, D)`.
        path: path of the files `PATH.npy` and `PATH.json`.
        batch_size: images per batch.

    Example:

    >>> import pathlib, tempfile
    >>> import tensorflow as tf
    >>> from keras_attention.datasets import CachedFeatures, Captioned, CaptionedImages
    >>> from keras_attention.models import ImageEncoder
    >>> encoder = ImageEncoder(filters=(4, 8))
    >>> encoder.build((None, 16, 16, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "grey.png")
    ...     pixels = tf.fill((5, 5, 1), tf.constant(9, tf.uint8))
    ...     _ = file.write_bytes(tf.io.encode_png(pixels).numpy())
    ...     images = CaptionedImages([Captioned(str(file), ("Grey.", "All grey."))], (16, 16))
    ...     cached = CachedFeatures(images, encoder, pathlib.Path(folder, "features"))
    ...     len(cached), cached[1].features.shape, cached[1].caption
    (2, (4, 4, 8), 'all grey')
    """

    def __init__(
        self,
        images: CaptionedImages,
        encoder: keras.layers.Layer,
        path: str | os.PathLike[str],
        batch_size: int = 32,
    ) -> None:
        self._files = [example.image for example in images.examples]
        self._items = [
            (number, caption)
            for number, example in enumerate(images.examples)
            for caption in example.captions
        ]
        self._captions = images.captions
        made_of = _fingerprint(images, encoder)
        data, note = Path(f"{path}.npy"), Path(f"{path}.json")
        if _done(data, note, made_of) < len(self._files):
            self._compute(images, encoder, data, note, made_of, batch_size)
        # Mapped into memory: only the pages in use are read.
        self._features = np.load(data, mmap_mode="r")

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> CaptionedFeatures:
        return CaptionedFeatures(self._features[self._items[index][0]], self._captions[index])

    def _compute(
        self,
        images: CaptionedImages,
        encoder: keras.layers.Layer,
        data: Path,
        note: Path,
        made_of: str,
        batch_size: int,
    ) -> None:
        count = len(self._files)
        shape = (count, *encoder.compute_output_shape((None, *images.image_size, 3))[1:])
        done = _done(data, note, made_of)
        if not done:
            note.unlink(missing_ok=True)
        mode = "r+" if done else "w+"
        features: Any = np.lib.format.open_memmap(data, mode, dtype="float16", shape=shape)
        # A progress bar in a terminal, nothing in a log file.
        verbose = int(sys.stdout.isatty())
        bar = keras.utils.Progbar(count, verbose=verbose, unit_name="image")
        for begin in range(done, count, batch_size):
            files = self._files[begin : begin + batch_size]
            batch = np.stack([images.image(file) for file in files])
            found = encoder(batch.astype("float32"), training=False)
            features[begin : begin + len(files)] = keras.ops.convert_to_numpy(found)
            features.flush()
            write_json(note, {"of": made_of, "done": begin + len(files)})
            bar.update(begin + len(files))


def _fingerprint(images: CaptionedImages, encoder: keras.layers.Layer) -> str:
    """A hash of the encoder, the image files and the image size."""
    digest = hashlib.sha256(json.dumps(list(images.image_size)).encode())
    for weight in encoder.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
    config = _numbered(keras.saving.serialize_keras_object(encoder))
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for example in images.examples:
        status = os.stat(example.image)
        digest.update(f"{example.image} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _numbered(config: Config) -> Structure:
    """A config with numbers in place of layer names, which depend on what else was created."""
    numbers: dict[str, int] = {}

    def walk(part: Structure, function: Callable[[Any], Any]) -> Structure:
        if isinstance(part, dict):
            return {key: walk(value, function) for key, value in part.items()}
        if isinstance(part, (list, tuple)):
            return [walk(value, function) for value in part]
        return function(part)

    def collect(part: Structure) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("name"), str):
                numbers.setdefault(part["name"], len(numbers))
            part = list(part.values())
        if isinstance(part, (list, tuple)):
            for value in part:
                collect(value)

    collect(config)
    return walk(config, lambda leaf: numbers.get(leaf, leaf) if isinstance(leaf, str) else leaf)


def _done(data: Path, note: Path, made_of: str) -> int:
    """The number of images whose features are in the files; 0 if one is missing or damaged."""
    try:
        found = json.loads(note.read_text("utf-8"))
        np.load(data, mmap_mode="r")
        return int(found["done"]) if found["of"] == made_of else 0
    except (OSError, ValueError, TypeError, KeyError, EOFError):
        return 0
