"""Handwritten digits in a larger image, among pieces of other digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require

SIDE = 8  # height and width of a digit in pixels
_PIECE = 4  # height and width of a piece of clutter in pixels
# In the order of the file the digits of a writer are consecutive.
_SPLITS = {"train": slice(0, 1197), "dev": slice(1197, 1347), "test": slice(1347, 1797)}


class Digits(NamedTuple):
    """Images of handwritten digits.

    Attributes:
        images: `(N, 8, 8)` in float32 from 0 (paper) to 1 (ink).
        labels: `(N,)` in int32, 0 to 9.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import Digits
    >>> Digits(np.zeros((1, 8, 8)), np.array([7])).labels.tolist()
    [7]
    """

    images: NDArray[Any]
    labels: NDArray[Any]


class PlacedDigits(NamedTuple):
    """Larger images with one digit each, and its location.

    Attributes:
        images: `(N, size, size, 1)` in float32 from 0 to 1.
        labels: `(N,)` in int32, 0 to 9.
        corners: `(N, 2)` in int32: row and column of the upper left pixel of
            the digit, which covers 8 by 8 pixels.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import Digits, place_digits
    >>> placed = place_digits(Digits(np.ones((1, 8, 8)), np.array([7])), size=20, pieces=0)
    >>> row, column = placed.corners[0]
    >>> float(placed.images[0, row : row + 8, column : column + 8, 0].min())
    1.0
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    corners: NDArray[Any]


def load_digits() -> dict[str, Digits]:
    """scikit-learn's handwritten digits, with other writers in the test split.

    1,797 digits of 8 by 8 pixels in the order of the file, in which the digits
    of a writer are consecutive: 1,197 for training, then 150 for validation and
    450 for testing. This is harder than a shuffled split, in which a writer is
    on both sides: a support vector machine has an accuracy of 95 % on this test
    split, and of 99 % on a shuffled one.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits",
    UCI Machine Learning Repository, 1998 (CC BY 4.0), in scikit-learn.

    Returns:
        A dictionary of `Digits`: `"train"`, `"dev"` and `"test"`.

    Raises:
        ImportError: without the extra `digits`.

    Example:

    >>> from keras_attention.datasets import load_digits
    >>> digits = load_digits()
    >>> {name: len(split.labels) for name, split in digits.items()}
    {'train': 1197, 'dev': 150, 'test': 450}
    """
    found = require("sklearn.datasets", "digits").load_digits()
    images, labels = (found.images / 16).astype("float32"), found.target.astype("int32")
    return {name: Digits(images[part], labels[part]) for name, part in _SPLITS.items()}


def place_digits(
    digits: Digits, size: int = 32, pieces: int = 4, seed: int | Sequence[int] = 0
) -> PlacedDigits:
    """Places each digit at a random location in an image, with pieces of others as clutter.

    The pieces are squares of 4 by 4 pixels from random digits of the same
    split, so that training has no piece of a test digit. The digit is
    completely inside the image. Where pieces or the digit overlap, the darker
    pixel is visible.

    Source: the cluttered digits of Mnih et al., "Recurrent Models of Visual
    Attention", 2014, section 4.1, there from MNIST.

    Args:
        digits: `Digits`.
        size: height and width of the images in pixels.
        pieces: pieces per image.
        seed: a seed for `numpy.random.default_rng`, which determines the
            images.

    Returns:
        `PlacedDigits`, one per digit, in the same order.

    Raises:
        ValueError: if `size` is smaller than a digit, or `pieces` is negative.

    Example:

    >>> from keras_attention.datasets import load_digits, place_digits
    >>> placed = place_digits(load_digits()["dev"], seed=1)
    >>> placed.images.shape, placed.corners.shape
    ((150, 32, 32, 1), (150, 2))
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < SIDE:
        raise ValueError(f"size: expected an integer of at least {SIDE}, received {size!r}.")
    if isinstance(pieces, bool) or not isinstance(pieces, int) or pieces < 0:
        raise ValueError(f"pieces: expected an integer of at least 0, received {pieces!r}.")
    rng = np.random.default_rng(seed)
    count = len(digits.labels)
    images = np.zeros((count, size, size), "float32")
    for _ in range(pieces):
        cut_from = digits.images[rng.integers(count, size=count)]
        cut = _windows(cut_from, rng.integers(SIDE - _PIECE + 1, size=(count, 2)), _PIECE)
        _lay(images, cut, rng.integers(size - _PIECE + 1, size=(count, 2)))
    corners = rng.integers(size - SIDE + 1, size=(count, 2)).astype("int32")
    _lay(images, digits.images, corners)
    return PlacedDigits(images[..., None], digits.labels.astype("int32"), corners)


def _windows(images: NDArray[Any], corners: NDArray[Any], side: int) -> NDArray[Any]:
    """Cuts one square out of every image."""
    rows, columns = (corners[:, i, None] + np.arange(side) for i in (0, 1))
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _lay(images: NDArray[Any], squares: NDArray[Any], corners: NDArray[Any]) -> None:
    """Draws one square into every image, by the maximum of both."""
    rows, columns = (corners[:, i, None] + np.arange(squares.shape[1]) for i in (0, 1))
    where = np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]
    images[where] = np.maximum(images[where], squares)


class PlacedDigitBatches(keras.utils.PyDataset):
    """Batches for `fit`: the same digits, in every epoch at other locations with other clutter.

    Args:
        digits: `Digits`.
        batch_size: images per batch; an incomplete last batch is left out.
        size: as in `place_digits`.
        pieces: as in `place_digits`.
        copies: how often a digit occurs per epoch, each time at another
            location.
        seed: an integer.

    Example:

    >>> from keras_attention.datasets import PlacedDigitBatches, load_digits
    >>> batches = PlacedDigitBatches(load_digits()["dev"], batch_size=50, size=32)
    >>> images, labels = batches[0]
    >>> len(batches), images.shape, labels.shape
    (3, (50, 32, 32, 1), (50,))
    """

    def __init__(
        self,
        digits: Digits,
        batch_size: int = 128,
        size: int = 32,
        pieces: int = 4,
        copies: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_positive("batch_size", batch_size)
        check_positive("copies", copies)
        if batch_size > copies * len(digits.labels):
            raise ValueError(
                f"batch_size: expected at most the {copies * len(digits.labels)} digits of an "
                f"epoch, received {batch_size}."
            )
        self.digits, self.batch_size, self.copies = digits, batch_size, copies
        self.size, self.pieces, self.seed = size, pieces, seed
        self.epoch = 0
        self._begin()

    def _begin(self) -> None:
        rng = np.random.default_rng([self.seed, self.epoch])
        everything = np.tile(np.arange(len(self.digits.labels)), self.copies)
        self._order = rng.permutation(everything)

    def __len__(self) -> int:
        return len(self._order) // self.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        chosen = self._order[index * self.batch_size :][: self.batch_size]
        digits = Digits(self.digits.images[chosen], self.digits.labels[chosen])
        seed = [self.seed, self.epoch, index]
        placed = place_digits(digits, self.size, self.pieces, seed)
        return placed.images, placed.labels

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._begin()
