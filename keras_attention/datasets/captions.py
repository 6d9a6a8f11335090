"""Your own images with captions: a folder and a file."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_attention._core.checks import check_number, check_rate
from keras_attention.datasets.images import check_image_size, read_image

_IMAGE_COLUMNS = ("image", "image_name", "file_name", "filename")
_CAPTION_COLUMNS = ("caption", "text", "comment")
# Bytes of a file's name, and characters of what an error message quotes.
_LONGEST_NAME, _SHOWN = 255, 60
# "Who's afraid?" is who's, afraid. Underscores separate words.
_WORD = re.compile("[^\\W_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}-][^\\W_]+)*")


class Captioned(NamedTuple):
    """An image file and its captions, as written.

    Example:

    >>> from keras_attention.datasets import Captioned
    >>> len(Captioned("dog.jpg", ("A dog runs .", "A running dog .")).captions)
    2
    """

    image: str
    captions: tuple[str, ...]


class CaptionedImage(NamedTuple):
    """An image (uint8, `(height, width, 3)`) and one caption, words separated by single spaces.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import CaptionedImage
    >>> CaptionedImage(np.zeros((96, 96, 3), "uint8"), "a dog runs").caption
    'a dog runs'
    """

    image: NDArray[np.uint8]
    caption: str


def plain_caption(text: str) -> str:
    """The lowercase words of a caption, separated by single spaces, without punctuation.

    Example:

    >>> from keras_attention.datasets import plain_caption
    >>> plain_caption('A black-and-white dog, running ("fast") .')
    'a black-and-white dog running fast'
    """
    return " ".join(_WORD.findall(text.lower()))


def load_captions(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    dev: float = 0.1,
    test: float = 0.1,
) -> dict[str, list[Captioned]]:
    """Images of a folder with captions from a file, split by image.

    The file is UTF-8 text with the name of an image and one caption per line,
    in one of these forms:

    - separated by a tab, `NAME<TAB>CAPTION` or `NAME#NUMBER<TAB>CAPTION`,
      without a heading, as in `Flickr8k.token.txt`;
    - separated by a comma with a heading, which calls the image `image`,
      `image_name`, `file_name` or `filename` and the caption `caption`,
      `text` or `comment`, as in Kaggle's `captions.txt`.

    All captions of an image are in one split, which follows from the name of
    the image alone: an image stays in its split if others are added. Captions
    without a word are left out.

    Args:
        images: the folder with the images.
        captions: the file with the captions.
        dev: share of the images for validation, at least 0.
        test: share of the images for testing, at least 0; together below 1.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of
        `Captioned`, in the order of the file.

    Raises:
        OSError: if the folder or the file does not exist.
        ValueError: if shares are out of range, if the file has another form,
            if an image is missing, or if the training split is empty.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_captions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     folder = pathlib.Path(folder)
    ...     _ = (folder / "dog.jpg").write_bytes(b"")
    ...     _ = (folder / "captions.txt").write_text("image,caption\\ndog.jpg,A dog runs .\\n")
    ...     load_captions(folder, folder / "captions.txt", dev=0, test=0)["train"][0].captions
    ('A dog runs .',)
    """
    check_rate("dev", dev)
    check_rate("test", test)
    splits: dict[str, list[Captioned]] = {"train": [], "dev": [], "test": []}
    for example in captioned(images, read_captions(captions)):
        digest = hashlib.sha256(Path(example.image).name.encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        splits["dev" if share < dev else "test" if share < dev + test else "train"].append(example)
    if not splits["train"]:
        raise ValueError(f"captions: expected images to train on, received none in {captions!s}.")
    return splits


def captioned(
    images: str | os.PathLike[str],
    captions: Mapping[str, Sequence[str]],
    names: Iterable[str] | None = None,
) -> list[Captioned]:
    """The images `names` of a folder with their captions `{name: [caption]}`.

    Args:
        images: the folder.
        captions: the captions of each image.
        names: the images, in their order; by default all that have captions.
    """
    folder = Path(images)
    if not folder.is_dir():
        raise FileNotFoundError(f"images: expected a folder, received {str(images)!r}.")
    names = list(captions if names is None else names)
    unsafe = [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]
    if unsafe:
        raise ValueError(f"captions: expected names inside the folder, received {unsafe[0]!r}.")
    missing = [name for name in names if name not in captions or not _is_file(folder / name)]
    if missing:
        raise ValueError(
            f"images: expected in {str(folder)!r} every image that has captions, and captions "
            f"for every image that is listed; {len(missing)} of {len(names)} lack one or the "
            f"other, the first is {missing[0][:_SHOWN]!r}."
        )
    return [Captioned(str(folder / name), tuple(captions[name])) for name in names]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def read_captions(file: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Reads `{name: [caption]}` from a file in one of the forms of `load_captions`."""
    try:
        text = Path(file).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"captions: expected UTF-8, received {str(file)!r}: {error}.") from error
    rows = _tabbed(text) if "\t" in text.partition("\n")[0] else _with_heading(text)
    captions: dict[str, list[str]] = {}
    try:
        for number, name, caption in rows:
            if max(len(part.encode()) for part in name.split("/")) > _LONGEST_NAME:
                raise _unexpected(
                    f"names of at most {_LONGEST_NAME} bytes", f"{name[:_SHOWN]!r}...", number
                )
            kept = captions.setdefault(name, [])
            if _WORD.search(caption):
                kept.append(caption.strip())
    except ValueError as error:
        raise ValueError(f"captions: {error} of {str(file)!r}.") from error
    return {name: kept for name, kept in captions.items() if kept}


# Number of the line, name and caption. Line ends are those of `open`, not of `str.splitlines`:
# a caption may hold other separators, such as U+2028.
_Rows: TypeAlias = Iterator[tuple[int, str, str]]


def _tabbed(text: str) -> _Rows:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        if not tab:
            expected = "a tab between name and caption on every line"
            raise _unexpected(expected, repr(line[:_SHOWN]), number)
        yield number, re.sub(r"#\d+$", "", name.strip()), caption


def _with_heading(text: str) -> _Rows:
    rows = _comma_separated(text)
    _, heading = next(rows, (1, []))
    columns = [column.strip() for column in heading]
    image = next((column for column in columns if column in _IMAGE_COLUMNS), None)
    caption = next((column for column in columns if column in _CAPTION_COLUMNS), None)
    if image is None or caption is None:
        expected = (
            f"lines with a tab, or a heading with one of {', '.join(_IMAGE_COLUMNS)} and one of "
            f"{', '.join(_CAPTION_COLUMNS)}"
        )
        raise _unexpected(expected, repr(",".join(heading)[:_SHOWN]), 1)
    for number, row in rows:
        if not row:
            continue
        if len(row) != len(columns):
            raise _unexpected(f"{len(columns)} columns in every row", str(len(row)), number)
        yield number, row[columns.index(image)].strip(), row[columns.index(caption)]


def _comma_separated(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, each with the number of the line on which it begins."""
    rows = csv.reader(io.StringIO(text))
    while True:
        begin = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            received = f"a row that cannot be read ({error})"
            raise _unexpected("comma-separated values", received, begin) from error
        yield begin, row


def _unexpected(expected: str, received: str, number: int) -> ValueError:
    return ValueError(f"expected {expected}, received {received} on line {number}")


class CaptionedImages:
    """One example per caption, with the pixels of its image: `[i]` is a `CaptionedImage`.

    Images are read on access, resized to one size, and kept in memory up to a
    limit.

    Args:
        examples: a list of `Captioned`.
        image_size: `(height, width)`.
        memory: limit in bytes of pixels; 0 keeps none.

    Raises:
        ValueError: if there are no examples or numbers are out of range; on
            access, if a file is not an image.

    Example:

    >>> import pathlib, tempfile
    >>> import tensorflow as tf
    >>> from keras_attention.datasets import Captioned, CaptionedImages
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "grey.png")
    ...     pixels = tf.fill((5, 5, 1), tf.constant(9, tf.uint8))
    ...     _ = file.write_bytes(tf.io.encode_png(pixels).numpy())
    ...     images = CaptionedImages([Captioned(str(file), ("Grey.", "All grey."))], (96, 96))
    ...     len(images), images[1].caption, images[1].image.shape
    (2, 'all grey', (96, 96, 3))
    """

    def __init__(
        self,
        examples: Iterable[Captioned],
        image_size: tuple[int, int] = (96, 96),
        memory: float = 2**30,
    ) -> None:
        self.examples = list(examples)
        if not self.examples:
            raise ValueError("examples: expected at least one, received none.")
        self.image_size = check_image_size("image_size", image_size)
        check_number("memory", memory, at_least=0)
        height, width = self.image_size
        self._most = int(memory // (3 * height * width))
        self._kept: dict[str, NDArray[Any]] = {}
        self._items = [
            (example.image, plain_caption(caption))
            for example in self.examples
            for caption in example.captions
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> CaptionedImage:
        path, caption = self._items[index]
        return CaptionedImage(self.image(path), caption)

    @property
    def captions(self) -> list[str]:
        """All captions, for a vocabulary."""
        return [caption for _, caption in self._items]

    def image(self, path: str) -> NDArray[Any]:
        """The pixels of one of the files, read-only."""
        image = self._kept.get(path)
        if image is None:
            image = read_image(path, self.image_size)
            image.flags.writeable = False
            if len(self._kept) < self._most:
                self._kept[path] = image
        return image
