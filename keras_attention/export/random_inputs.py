"""Random inputs to record a model's answers to, where the user gives none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attention._core.checks import check_ids
from keras_attention._core.types import Array
from keras_attention.text import SpecialIds, VocabularyLike

# Lengths of the sources in each batch: one and several, short and long, with and without padding.
LENGTHS = ((1,), (5,), (7, 3, 1), (12, 4, 9, 2))
# Number of images in each batch.
BATCHES = (1, 2, 4)
# Within a text: NUL, controls, marks of direction, a sigma at the end of a word, emoji of several
# characters, an accent apart.
_ODD = (
    "\0",
    "\x01\x1b[2J\x7f\x85",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{POP DIRECTIONAL ISOLATE}\N{RIGHT-TO-LEFT MARK}",
    "\N{GREEK CAPITAL LETTER SIGMA}\0\N{GREEK CAPITAL LETTER SIGMA} ",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}\N{MATHEMATICAL BOLD CAPITAL A}",
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}e\N{COMBINING ACUTE ACCENT}",
    "\N{ZERO WIDTH NO-BREAK SPACE}\N{NO-BREAK SPACE}\N{LINE SEPARATOR}",
    "<end> [end] </s> <pad>",
)
# Bytes that are none, a character cut short, half of a surrogate pair.
_NOT_UTF8 = (b"\xff\xfe", b"\xe2\x82", b"\xed\xa0\x80")
# Number of patches of one colour along each side of an image.
_PATCHES = 5


def random_ids(
    vocabulary: VocabularyLike | int | None,
    examples: Iterable[Any] | None = None,
    seed: int = 0,
    special_ids: SpecialIds = SpecialIds(),  # noqa: B008 (a value)
) -> list[Array]:
    """Source ids to record a model's answers to.

    Args:
        vocabulary: the model's, or its size; says which ids exist.
        examples: matrices of ids, used instead if given.
        seed: of the random numbers.
        special_ids: of the source; only the unknown id is among the random ones.

    Returns:
        A list of int32 arrays `(B, S)`, padded.

    Raises:
        ValueError: if the examples are no ids, or are needed and missing.

    Example:

    >>> from keras_attention.export.random_inputs import random_ids
    >>> [ids.shape for ids in random_ids(30)]
    [(1, 1), (1, 5), (3, 7), (4, 12)]
    """
    if examples is not None:
        given = [np.asarray(ids) for ids in _at_least_one(examples)]
        for ids in given:
            check_ids("examples", ids)
        return [ids.astype("int32") for ids in given]
    if vocabulary is None:
        raise ValueError(
            "examples: expected matrices of source ids to verify the artifact with, because this "
            "model has no source_vocabulary that says which ids exist; received None."
        )
    size = vocabulary if isinstance(vocabulary, int) else len(vocabulary)
    rng = np.random.default_rng(seed)
    choice = ordinary_ids(size, special_ids)
    return [random_rows(rng, lengths, choice, special_ids.pad) for lengths in LENGTHS]


def random_texts(
    vocabulary: VocabularyLike, examples: Iterable[Any] | None = None, seed: int = 0
) -> list[Array]:
    """Source texts to record a model's answers to.

    Random, empty, unknown and uppercase ones, and a batch of bytes with what
    programs read differently: NUL, controls, marks of direction, characters
    beyond 16 bits, accents apart, and bytes that are not UTF-8.

    Args:
        vocabulary: the model's.
        examples: lists of strings, used instead if given.
        seed: of the random numbers.

    Returns:
        A list of arrays `(B,)` of strings, the last one of bytes.

    Raises:
        ValueError: if the examples are no lists of strings.

    Example:

    >>> from keras_attention.export.random_inputs import random_texts
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> [len(texts) for texts in random_texts(Vocabulary("ab"))]
    [1, 1, 3, 6, 11]
    """
    if examples is not None:
        return [np.array(texts, np.str_) for texts in _lists(examples, str, "strings")]
    rng, special = np.random.default_rng(seed), vocabulary.special_ids
    ids = ordinary_ids(len(vocabulary), special, unknown=False)
    batches = []
    for lengths in LENGTHS:
        rows = random_rows(rng, lengths, ids, special.pad)
        batches.append([vocabulary.decode(row) for row in rows])
    batches[-1] += ["", f"{batches[0][0]} \N{SNOWMAN}"]
    batches[-2][-1] = batches[-2][0].upper()
    around = (batches[0][0] or "a").encode()
    odd = [around + one + around for one in (*(text.encode() for text in _ODD), *_NOT_UTF8)]
    return [*(np.array(texts, np.str_) for texts in batches), np.array(odd, np.bytes_)]


def random_images(
    size: tuple[int, int], examples: Iterable[Any] | None = None, seed: int = 0
) -> list[Array]:
    """Images as pixels: patches of random colours.

    Args:
        size: `(H, W)` of the images that the model reads.
        examples: arrays `(B, H, W, 3)`, used instead if given.
        seed: of the random numbers.

    Returns:
        A list of float32 arrays `(B, H, W, 3)`, from 0 to 255.

    Raises:
        ValueError: if the examples have another shape.

    Example:

    >>> from keras_attention.export.random_inputs import random_images
    >>> [images.shape for images in random_images((8, 6))]
    [(1, 8, 6, 3), (2, 8, 6, 3), (4, 8, 6, 3)]
    """
    if examples is not None:
        given = [np.asarray(images, "float32") for images in _at_least_one(examples)]
        for images in given:
            if images.shape[1:] != (*size, 3) or not len(images):
                raise ValueError(
                    f"examples: expected images (batch, {size[0]}, {size[1]}, 3), received an "
                    f"array of shape {images.shape}."
                )
        return given
    rng = np.random.default_rng(seed)
    return [
        np.stack([random_patches(rng, *size) for _ in range(count)]).astype("float32")
        for count in BATCHES
    ]


def random_files(
    size: tuple[int, int], examples: Iterable[Any] | None = None, seed: int = 0
) -> list[Array]:
    """Images as the bytes of files: JPEG and PNG, of the model's size and of others.

    Among them a grey one, one with an alpha channel, a very wide one, and one
    of a single pixel.

    Args:
        size: `(H, W)` of the images that the model reads.
        examples: lists of bytes, used instead if given.
        seed: of the random numbers.

    Returns:
        A list of arrays `(B,)` of bytes.

    Raises:
        ValueError: if the examples are no lists of bytes.

    Example:

    >>> from keras_attention.export.random_inputs import random_files
    >>> [(len(files), bytes(files[0][1:4])) for files in random_files((8, 6))]
    [(1, b'PNG'), (1, b'\\xd8\\xff\\xe0'), (4, b'PNG')]
    """
    if examples is not None:
        return [np.array(files, np.bytes_) for files in _lists(examples, bytes, "bytes")]
    rng = np.random.default_rng(seed)
    height, width = size

    def png(height: int, width: int, channels: int = 3) -> bytes:
        return tf.io.encode_png(random_patches(rng, height, width, channels)).numpy()

    def jpeg(height: int, width: int, channels: int = 3) -> bytes:
        return tf.io.encode_jpeg(random_patches(rng, height, width, channels), quality=95).numpy()

    batches = [
        [png(height, width)],
        [jpeg(2 * height + 1, 3 * width)],
        [png(height, 2 * width, 4), jpeg(height, width, 1), png(1, 20 * width), png(1, 1)],
    ]
    return [np.array(files, np.bytes_) for files in batches]


def random_rows(
    rng: np.random.Generator, lengths: Sequence[int], ids: Sequence[int], pad: int = 0
) -> Array:
    """Some of `ids`, `(B, S)`, of the given lengths and padded with `pad`."""
    rows = np.full((len(lengths), max(lengths, default=0)), pad, "int32")
    for row, length in zip(rows, lengths):
        row[:length] = np.array(ids)[rng.integers(0, len(ids), length)]
    return rows


def ordinary_ids(size: int, special_ids: SpecialIds, unknown: bool = True) -> list[int]:
    """The ids below `size` without padding, start and end, at least one.

    Args:
        size: the number of ids.
        special_ids: those of the vocabulary.
        unknown: whether the unknown id is among them.
    """
    left_out = {*special_ids.hidden, None if unknown else special_ids.unknown}
    return [i for i in range(size) if i not in left_out] or [size - 1]


def random_patches(rng: np.random.Generator, height: int, width: int, channels: int = 3) -> Array:
    """An image of `height`, `width` and `channels`, uint8: patches of random colours."""
    colours = rng.integers(0, 256, (_PATCHES, _PATCHES, channels), "uint8")
    down, across = (np.arange(n) * _PATCHES // n for n in (height, width))
    return colours[down][:, across]


def _at_least_one(examples: Iterable[Any]) -> list[Any]:
    examples = list(examples)
    if not examples:
        raise ValueError("examples: expected at least one batch to verify with, received none.")
    return examples


def _lists(examples: Iterable[Any], kind: type, called: str) -> list[Any]:
    """Refuses everything but lists of texts or of bytes."""
    batches = _at_least_one(examples)
    for batch in batches:
        if (
            isinstance(batch, (str, bytes))
            or not batch
            or not all(isinstance(one, kind) for one in batch)
        ):
            raise ValueError(
                f"examples: expected lists of {called}, one list per batch, received "
                f"{batch!r:.300}."
            )
    return batches
