"""Image files as pixels, in Python and inside a TensorFlow graph."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Tensor

__all__ = ["read_image"]

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# A small file can claim any size, so this is compared with its header before it is decoded.
# export/serving/overlay.py has the same limit.
MOST_PIXELS = 50_000_000


def decode_image(contents: Tensor, size: tuple[int, int]) -> Tensor:
    """Decodes and resizes a JPEG or PNG file, in eager mode or in a graph.

    The image is resized bilinearly with antialiasing, as by Pillow's
    `convert("RGB").resize(size, BILINEAR)` (up to a difference of 1). Gray
    images get three equal channels, colors of a palette and of CMYK become RGB,
    and of 16 bits the high 8 are kept. As by `tf.io.decode_image`, opacity and
    the orientation in EXIF are ignored.

    Args:
        contents: the bytes of the file, a scalar string tensor.
        size: `(height, width)`.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if `size` is not two positive integers.
        tf.errors.InvalidArgumentError: at run time, if the file is broken,
            neither JPEG nor PNG, or has more than 50 million pixels, which its
            header tells before it is decoded.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.datasets.images import decode_image
    >>> file = tf.io.encode_png(tf.fill((40, 30, 3), tf.constant(7, tf.uint8)))
    >>> image = decode_image(file, (8, 8))
    >>> image.shape, int(tf.reduce_min(image)), int(tf.reduce_max(image))
    (TensorShape([8, 8, 3]), 7, 7)
    """
    import tensorflow as tf

    height, width = check_image_size("size", size)
    contents = tf.convert_to_tensor(contents, tf.string)
    jpeg = tf.strings.substr(contents, 0, len(_JPEG)) == _JPEG
    png = tf.strings.substr(contents, 0, len(_PNG)) == _PNG
    known = tf.debugging.Assert(
        jpeg | png,
        [
            "Expected a JPEG or PNG file, received other bytes, as many as:",
            tf.strings.length(contents),
        ],
    )
    with tf.control_dependencies(_operations(known)):
        claimed = tf.cond(jpeg, lambda: _jpeg_size(contents), lambda: _png_size(contents))
    harmless = tf.debugging.Assert(
        (tf.reduce_min(claimed) > 0) & (tf.reduce_prod(claimed) <= MOST_PIXELS),
        [f"Expected an image of 1 to {MOST_PIXELS:,} pixels, received height, width:", claimed],
    )
    with tf.control_dependencies(_operations(harmless)):
        pixels = tf.cond(
            jpeg,
            # Other decoders use the accurate transform.
            lambda: tf.io.decode_jpeg(contents, 3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_png(contents, 3),
        )
    resized = tf.image.resize(pixels, (height, width), "bilinear", antialias=True)
    resized = tf.ensure_shape(resized, (height, width, 3))
    return tf.cast(tf.round(tf.clip_by_value(resized, 0, 255)), tf.uint8)


def read_image(path: str | os.PathLike[str], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Reads and resizes a JPEG or PNG file.

    Args:
        path: the file.
        size: `(height, width)`.

    Returns:
        uint8 `(height, width, 3)`; see `decode_image`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the file is not an image, or `size` is not two positive
            integers.

    Example:

    >>> import pathlib, tempfile
    >>> import tensorflow as tf
    >>> from keras_attention.datasets.images import read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "grey.png")
    ...     pixels = tf.fill((5, 5, 1), tf.constant(9, tf.uint8))
    ...     _ = file.write_bytes(tf.io.encode_png(pixels).numpy())
    ...     read_image(file, (1, 2)).tolist()
    [[[9, 9, 9], [9, 9, 9]]]
    """
    import tensorflow as tf

    check_image_size("size", size)
    contents = Path(path).read_bytes()
    try:
        with tf.device("CPU"):
            return np.array(decode_image(contents, size))
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"path: expected a whole JPEG or PNG file of at most {MOST_PIXELS:,} pixels, received "
            f"{str(path)!r} with {len(contents)} bytes."
        ) from error


def check_image_size(name: str, size: tuple[int, int]) -> tuple[int, int]:
    """Raises ValueError unless `size` is two positive integers."""
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"{name}: expected (height, width), received {size!r}.")
    height, width = size
    return check_positive(name, height), check_positive(name, width)


def _operations(assertion: Tensor) -> list[Tensor]:
    """The assertion as control inputs; in eager mode it has been checked already."""
    return [] if assertion is None else [assertion]


def _jpeg_size(contents: Tensor) -> Tensor:
    import tensorflow as tf

    return tf.cast(tf.io.extract_jpeg_shape(contents)[:2], tf.float64)


def _png_size(contents: Tensor) -> Tensor:
    """Height and width from the header: width and height, big-endian, from byte 16 on."""
    import tensorflow as tf

    header = tf.pad(tf.io.decode_raw(tf.strings.substr(contents, 0, 24), tf.uint8), [[0, 24]])
    digits = tf.cast(tf.reshape(header[16:24], (2, 4)), tf.float64)
    return tf.reverse(tf.reduce_sum(digits * [2**24, 2**16, 2**8, 1], 1), [0])
