"""Handwritten digits somewhere in a larger image, among pieces of other digits."""

from typing import NamedTuple

import keras
import numpy as np

from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require

SIDE = 8  # pixels of a digit
_PIECE = 4  # pixels of what clutters
# Of the 1,797 in the order of the file, in which a writer's digits stand together.
_SPLITS = {"train": slice(0, 1197), "dev": slice(1197, 1347), "test": slice(1347, 1797)}


class Digits(NamedTuple):
    """Handwritten digits, alone.

    Attributes:
        images: `(N, 8, 8)` in float32 from 0 (paper) to 1 (ink).
        labels: `(N,)` in int32, 0 to 9.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import Digits
    >>> Digits(np.zeros((1, 8, 8)), np.array([7])).labels.tolist()
    [7]
    """

    images: np.ndarray
    labels: np.ndarray


class PlacedDigits(NamedTuple):
    """Images of each one digit, and where it is.

    Attributes:
        images: `(N, size, size, 1)` in float32 from 0 to 1.
        labels: `(N,)` in int32, 0 to 9.
        corners: `(N, 2)` in int32: row and column of the digit's first pixel;
            it covers 8 by 8.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import Digits, place_digits
    >>> placed = place_digits(Digits(np.ones((1, 8, 8)), np.array([7])), size=20, pieces=0)
    >>> row, column = placed.corners[0]
    >>> float(placed.images[0, row : row + 8, column : column + 8, 0].min())
    1.0
    """

    images: np.ndarray
    labels: np.ndarray
    corners: np.ndarray


def load_digits():
    """scikit-learn's handwritten digits, those of the test by hands that training has not seen.

    1,797 digits of 8 by 8 pixels, in the order of the file, in which a writer's
    digits stand together: 1,197 for training, then 150 for validation and 450
    for testing. That is harder than a shuffled split, where the same hand is on
    both sides: a support vector machine on the digits alone gets 95 % of the
    test right, and 99 % after shuffling.

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


def place_digits(digits, size=32, pieces=4, seed=0):
    """Places each digit at random in an image of its own, with pieces of others as clutter.

    The pieces are squares of 4 by 4 pixels, cut at random out of digits of the
    same split, so that what clutters a test was not seen in training either.
    The digit lies whole inside the image. Where pieces lie across it, or across
    one another, the darker ink shows.

    Source: the cluttered digits of Mnih et al., "Recurrent Models of Visual
    Attention", 2014, section 4.1, there of MNIST.

    Args:
        digits: `Digits`.
        size: the side of the images, in pixels.
        pieces: how many in an image.
        seed: whatever `numpy.random.default_rng` takes; the images depend on it
            alone.

    Returns:
        `PlacedDigits`, as many as there are digits, in their order.

    Raises:
        ValueError: for a size below that of a digit, and negative pieces.

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


def _windows(images, corners, side):
    """One square out of every image."""
    rows, columns = (corners[:, i, None] + np.arange(side) for i in (0, 1))
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _lay(images, squares, corners):
    """Lays one square into every image; the darker of both inks stays."""
    rows, columns = (corners[:, i, None] + np.arange(squares.shape[1]) for i in (0, 1))
    where = np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]
    images[where] = np.maximum(images[where], squares)


class PlacedDigitBatches(keras.utils.PyDataset):
    """Batches for `fit`: the same digits, every epoch at other places among other clutter.

    Args:
        digits: `Digits`.
        batch_size: images at once; what is left over of an epoch is left out.
        size, pieces: as in `place_digits`.
        copies: how often a digit occurs in an epoch, each time placed anew.
        seed: an integer.

    Example:

    >>> from keras_attention.datasets import PlacedDigitBatches, load_digits
    >>> batches = PlacedDigitBatches(load_digits()["dev"], batch_size=50, size=32)
    >>> images, labels = batches[0]
    >>> len(batches), images.shape, labels.shape
    (3, (50, 32, 32, 1), (50,))
    """

    def __init__(self, digits, batch_size=128, size=32, pieces=4, copies=1, seed=0):
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

    def _begin(self):
        rng = np.random.default_rng([self.seed, self.epoch])
        everything = np.tile(np.arange(len(self.digits.labels)), self.copies)
        self._order = rng.permutation(everything)

    def __len__(self):
        return len(self._order) // self.batch_size

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        chosen = self._order[index * self.batch_size :][: self.batch_size]
        digits = Digits(self.digits.images[chosen], self.digits.labels[chosen])
        seed = [self.seed, self.epoch, index]
        placed = place_digits(digits, self.size, self.pieces, seed)
        return placed.images, placed.labels

    def on_epoch_end(self):
        self.epoch += 1
        self._begin()
