"""Image files as pixels, the same inside a TensorFlow graph and in Python."""

from pathlib import Path

import numpy as np

from keras_attention._core.checks import check_positive

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# As many as Pillow takes for harmless. A small file can claim to be any size.
_MOST_PIXELS = 89_478_485


def decode_image(contents, size):
    """A JPEG or PNG file of any size as pixels of one size, in eager mode or in a graph.

    The picture is stretched to `size`, bilinearly and with antialiasing, as
    Pillow's `convert("RGB").resize(size, BILINEAR)` does (to one step of
    brightness). Grey pictures get three equal channels; opacity is dropped, as
    is the orientation that a camera noted in EXIF.

    Args:
        contents: the bytes of the file, a scalar string.
        size: `(height, width)`.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: for a size that is no two positive integers.
        tf.errors.InvalidArgumentError: when it runs, for a file that is broken, neither
            JPEG nor PNG, or larger than 89 million pixels.

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
        (tf.reduce_min(claimed) > 0) & (tf.reduce_prod(claimed) <= _MOST_PIXELS),
        [f"Expected an image of 1 to {_MOST_PIXELS} pixels, received height, width:", claimed],
    )
    with tf.control_dependencies(_operations(harmless)):
        pixels = tf.cond(
            jpeg,
            # The accurate transform is the one of other decoders.
            lambda: tf.io.decode_jpeg(contents, 3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_png(contents, 3),
        )
    resized = tf.image.resize(pixels, (height, width), "bilinear", antialias=True)
    resized = tf.ensure_shape(resized, (height, width, 3))
    return tf.cast(tf.round(tf.clip_by_value(resized, 0, 255)), tf.uint8)


def read_image(path, size):
    """An image file as pixels of one size.

    Args:
        path: a JPEG or PNG file.
        size: `(height, width)`.

    Returns:
        A numpy array, uint8 `(height, width, 3)`; see `decode_image`.

    Raises:
        OSError: where the file cannot be read.
        ValueError: where it is broken or no image, naming it, or for another
            size.

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
            f"path: expected a whole JPEG or PNG file of at most {_MOST_PIXELS} pixels, received "
            f"{str(path)!r} with {len(contents)} bytes."
        ) from error


def check_image_size(name, size):
    """Refuses everything but two positive integers."""
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"{name}: expected (height, width), received {size!r}.")
    for side in size:
        check_positive(name, side)
    return tuple(size)


def _operations(assertion):
    """Eagerly an assertion is no operation: it has been checked already."""
    return [] if assertion is None else [assertion]


def _jpeg_size(contents):
    import tensorflow as tf

    return tf.cast(tf.io.extract_jpeg_shape(contents)[:2], tf.float64)


def _png_size(contents):
    """Height and width, as the header has them: big-endian, from byte 16 on, the width first."""
    import tensorflow as tf

    header = tf.pad(tf.io.decode_raw(tf.strings.substr(contents, 0, 24), tf.uint8), [[0, 24]])
    digits = tf.cast(tf.reshape(header[16:24], (2, 4)), tf.float64)
    return tf.reverse(tf.reduce_sum(digits * [2**24, 2**16, 2**8, 1], 1), [0])
