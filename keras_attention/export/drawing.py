"""Inputs to record a model's answers to, where the user gives none."""

import numpy as np
import tensorflow as tf

from keras_attention._core.checks import check_ids
from keras_attention.text.vocabulary import UNKNOWN, Vocabulary

# One row and several, one column and many, with and without padding.
SHAPES = ((1,), (5,), (7, 3, 1), (12, 4, 9, 2))
# How many images there are at once.
BATCHES = (1, 2, 4)
# So many patches of one colour across an image, and down.
_PATCHES = 5


def draw_ids(model, examples=None, seed=0):
    """Source ids to record a model's answers to.

    Args:
        model: its `source_vocabulary`, or the size of it, says which ids exist.
        examples: matrices of ids, used instead where given.
        seed: of the draw.

    Returns:
        A list of int32 arrays `(B, S)`, padded with 0.

    Raises:
        ValueError: where the examples are no ids, or are needed and missing.

    Example:

    >>> from keras_attention.export.drawing import draw_ids
    >>> from keras_attention.models import EncoderDecoder
    >>> [ids.shape for ids in draw_ids(EncoderDecoder(30, 40, units=16))]
    [(1, 1), (1, 5), (3, 7), (4, 12)]
    """
    if examples is not None:
        examples = [np.asarray(ids) for ids in _some(examples)]
        for ids in examples:
            check_ids("examples", ids)
        return [ids.astype("int32") for ids in examples]
    vocabulary = getattr(model, "source_vocabulary", None)
    size = len(vocabulary) if isinstance(vocabulary, Vocabulary) else vocabulary
    if not isinstance(size, int):
        raise ValueError(
            "examples: expected matrices of source ids to verify the artifact with, because this "
            "model has no source_vocabulary that says which ids exist; received None."
        )
    rng = np.random.default_rng(seed)
    return [draw_rows(rng, lengths, size) for lengths in SHAPES]


def draw_texts(model, examples=None, seed=0):
    """Source texts to record a model's answers to: drawn, empty, unknown and uppercase.

    Args:
        model: with a `Vocabulary` as `source_vocabulary`.
        examples: lists of strings, used instead where given.
        seed: of the draw.

    Returns:
        A list of string arrays `(B,)`.

    Raises:
        ValueError: where the examples are no lists of strings.

    Example:

    >>> from keras_attention.export.drawing import draw_texts
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> model = EncoderDecoder(Vocabulary("ab"), Vocabulary("AB"), units=16)
    >>> [len(texts) for texts in draw_texts(model)]
    [1, 1, 3, 6]
    """
    if examples is not None:
        return [np.array(texts, np.str_) for texts in _lists(examples, str, "strings")]
    vocabulary = model.source_vocabulary
    rng = np.random.default_rng(seed)
    batches = []
    for lengths in SHAPES:
        ids = draw_rows(rng, lengths, len(vocabulary), first=UNKNOWN + 1)
        batches.append([vocabulary.decode(row) for row in ids])
    batches[-1] += ["", f"{batches[0][0]} \N{SNOWMAN}"]
    batches[-2][-1] = batches[-2][0].upper()
    return [np.array(texts, dtype=np.str_) for texts in batches]


def draw_images(size, examples=None, seed=0):
    """Images as pixels: patches of random colours.

    Args:
        size: `(H, W)`, of the images that the model reads.
        examples: arrays `(B, H, W, 3)`, used instead where given.
        seed: of the draw.

    Returns:
        A list of float32 arrays `(B, H, W, 3)`, from 0 to 255.

    Raises:
        ValueError: where the examples have another shape.

    Example:

    >>> from keras_attention.export.drawing import draw_images
    >>> [images.shape for images in draw_images((8, 6))]
    [(1, 8, 6, 3), (2, 8, 6, 3), (4, 8, 6, 3)]
    """
    if examples is not None:
        examples = [np.asarray(images, "float32") for images in _some(examples)]
        for images in examples:
            if images.shape[1:] != (*size, 3) or not len(images):
                raise ValueError(
                    f"examples: expected images (batch, {size[0]}, {size[1]}, 3), received an "
                    f"array of shape {images.shape}."
                )
        return examples
    rng = np.random.default_rng(seed)
    return [
        np.stack([_patches(rng, *size) for _ in range(count)]).astype("float32")
        for count in BATCHES
    ]


def draw_files(size, examples=None, seed=0):
    """Images as the bytes of files: JPEG and PNG, of the model's size and of others.

    Among them one that is grey, one with an alpha channel, a very wide one, and
    one of a single pixel.

    Args:
        size: `(H, W)`, of the images that the model reads.
        examples: lists of bytes, used instead where given.
        seed: of the draw.

    Returns:
        A list of arrays `(B,)` of bytes.

    Raises:
        ValueError: where the examples are no lists of bytes.

    Example:

    >>> from keras_attention.export.drawing import draw_files
    >>> [(len(files), bytes(files[0][1:4])) for files in draw_files((8, 6))]
    [(1, b'PNG'), (1, b'\\xd8\\xff\\xe0'), (4, b'PNG')]
    """
    if examples is not None:
        return [np.array(files, np.bytes_) for files in _lists(examples, bytes, "bytes")]
    rng = np.random.default_rng(seed)
    height, width = size

    def png(*shape):
        return tf.io.encode_png(_patches(rng, *shape)).numpy()

    def jpeg(*shape):
        return tf.io.encode_jpeg(_patches(rng, *shape), quality=95).numpy()

    batches = [
        [png(height, width)],
        [jpeg(2 * height + 1, 3 * width)],
        [png(height, 2 * width, 4), jpeg(height, width, 1), png(1, 20 * width), png(1, 1)],
    ]
    return [np.array(files, np.bytes_) for files in batches]


def draw_rows(rng, lengths, size, first=UNKNOWN):
    """Ids from `first` to below `size`, rows of the given lengths padded with 0."""
    ids = np.zeros((len(lengths), max(lengths)), "int32")
    for row, length in zip(ids, lengths):
        row[:length] = rng.integers(min(first, size - 1), size, length)
    return ids


def _patches(rng, height, width, channels=3):
    colours = rng.integers(0, 256, (_PATCHES, _PATCHES, channels), "uint8")
    down, across = (np.arange(n) * _PATCHES // n for n in (height, width))
    return colours[down][:, across]


def _some(examples):
    examples = list(examples)
    if not examples:
        raise ValueError("examples: expected at least one batch to verify with, received none.")
    return examples


def _lists(examples, kind, called):
    """Lists of texts or of bytes, or an error that says so."""
    examples = _some(examples)
    for rows in examples:
        if isinstance(rows, (str, bytes)) or not rows or not all(isinstance(x, kind) for x in rows):
            raise ValueError(
                f"examples: expected lists of {called}, the rows of a batch, received "
                f"{rows!r:.300}."
            )
    return examples
