"""Scenes of OpenMoji's pictures with captions: every object's place and word are known."""

import functools
import operator
from random import Random
from typing import NamedTuple

import numpy as np

from keras_attention._core.checks import check_choice, check_positive
from keras_attention.datasets.backgrounds import paint_background
from keras_attention.datasets.kinds import DEV_GROUP, HELD_OUT_QUADRANT, KINDS, NAMES, TEST_GROUP
from keras_attention.datasets.openmoji import LANGUAGES, draw_picture
from keras_attention.datasets.scene_words import ABOVE, BELOW, LEFT, SceneWords

# How many scenes a split has where nobody asks for another number.
_COUNTS = {"train": 1_000_000, "dev": 1_000, "test": 2_000, "places": 2_000}


class SceneObject(NamedTuple):
    """One object of a scene.

    `box` is (top, left, bottom, right) in pixels, the last two exclusive, of
    what is drawn of it; `words` is (first, end) into `caption.split()`, of its
    name without the article.

    Example:

    >>> from keras_attention.datasets import SceneObject
    >>> SceneObject("dolphin", (10, 4, 34, 30), (1, 2)).name
    'dolphin'
    """

    name: str
    box: tuple
    words: tuple


class Scene(NamedTuple):
    """An image (uint8, `(size, size, 3)`), its caption, and its objects in the caption's order.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import Scene
    >>> Scene(np.zeros((96, 96, 3), "uint8"), "a fox above an egg", ()).caption.split()[1]
    'fox'
    """

    image: np.ndarray
    caption: str
    objects: tuple


class Scenes:
    """Composed scenes: two to four objects, and a caption that is a function of them.

    128 kinds of object, drawn from OpenMoji's font (CC BY-SA 4.0, which holds
    for the scenes too) at random places and sizes, their longer side a quarter
    to three eighths of the image, without overlap, on plain, graded and
    textured backgrounds. They are drawn when asked for; scene i depends on
    `(seed, split, i)` alone. (Between versions of Pillow a few pixels differ by
    rounding; boxes and captions do not.)

    The caption tells the objects from left to right, and where the first is
    seen from each of the others: `"a red apple to the left of a dolphin ,
    above a hammer"`. Which relation is said is decided by the axis on which
    the centres lie farther apart. Orders and axes that are nearly equal do not
    occur, so that a caption is right or wrong. Words are divided by single
    spaces, and a comma is a word: `caption.split()` are the tokens.

    What no training scene shows:

    - `"dev"` and `"test"`: pairs of kinds. The kinds are put into groups of 8;
      all objects of a test scene share a group, those of a training scene
      never do. `"dev"` has other groups, so its pairs are new also to "test".
    - `"places"`: kinds in one quadrant. Every kind has one in which its centre
      lies in no other split; here it always does.

    Args:
        split: `"train"`, `"dev"`, `"test"` or `"places"`.
        seed: of the drawing; groups and quadrants are always the same.
        size: pixels a side, at least 32.
        language: of the captions, one of the 14 of the `emoji` package:
            English has articles, the others go without.
        count: how many scenes there are; by default 1,000,000 for training,
            1,000 for "dev", 2,000 for "test" and for "places".

    Raises:
        ImportError: where Pillow is missing (extra `scenes`).
        OSError: where the pictures or names cannot be fetched.
        ValueError: for another split or language, or numbers out of range.

    Example:

    >>> from keras_attention.datasets import Scenes
    >>> scenes = Scenes("test", seed=1)
    >>> scenes[0].image.shape, len(scenes.kinds), len(scenes)
    ((96, 96, 3), 128, 2000)
    >>> images, captions = scenes.batch(range(4))
    >>> images.shape, len(captions)
    ((4, 96, 96, 3), 4)
    """

    def __init__(self, split="train", seed=0, size=96, language="en", count=None):
        check_choice("split", split, tuple(_COUNTS))
        check_choice("language", language, LANGUAGES)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed: expected an integer of at least 0, received {seed!r}.")
        check_positive("size", size)
        if size < 32:
            raise ValueError(f"size: expected at least 32 pixels, received {size}.")
        if count is not None:
            check_positive("count", count)
        self.split, self.seed, self.size, self.language = split, seed, size, language
        self._count = _COUNTS[split] if count is None else count
        self._telling = SceneWords(KINDS, language)
        # How far apart two centres must be for the order to be plain, and how much
        # farther on one axis than on the other.
        self._order_margin, self._axis_margin = size / 24, size / 12
        self._smallest, self._largest = size // 4, size * 3 // 8

    @property
    def kinds(self):
        """The names of the kinds, in the language of the captions."""
        return self._telling.names

    @property
    def words(self):
        """Every word that a caption of any split can have, in a fixed order."""
        return self._telling.vocabulary

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        index = operator.index(index)
        if not -self._count <= index < self._count:
            raise IndexError(f"index: expected one of {self._count} scenes, received {index}.")
        return self._draw(index % self._count)

    def batch(self, indices):
        """Several scenes as training wants them.

        Args:
            indices: integers.

        Returns:
            The images, uint8 `(B, size, size, 3)`, and the list of B captions.
        """
        scenes = [self[i] for i in indices]
        if not scenes:
            return np.zeros((0, self.size, self.size, 3), "uint8"), []
        return np.stack([scene.image for scene in scenes]), [scene.caption for scene in scenes]

    def batches(self, batch_size, start=0, stop=None):
        """The scenes from `start` to before `stop` (by default all), batch by batch, in order.

        Args:
            batch_size: scenes a batch; the last one may be smaller.
            start, stop: the range of scenes.

        Yields:
            What `batch` returns.
        """
        check_positive("batch_size", batch_size)
        stop = self._count if stop is None else min(stop, self._count)
        for first in range(start, stop, batch_size):
            yield self.batch(range(first, min(first + batch_size, stop)))

    def _draw(self, index):
        # Python promises that the numbers of random() stay the same in every version.
        draw = Random(f"{self.seed} {self.split} {index}").random
        placed = None
        while placed is None:
            kinds = self._some_kinds(draw)
            # A few tries, so that crowded scenes are not given up for empty ones.
            for _ in range(50):
                placed = self._place(kinds, draw)
                if placed is not None:
                    break
        image = paint_background(self.size, draw)
        for kind, (top, left, bottom, right), longer in placed:
            paint, cover = _picture(kind, longer)
            under = image[top:bottom, left:right]
            under[:] = (under * cover + paint) >> 8
        return self._tell(image, placed)

    def _some_kinds(self, draw):
        number = 2 + int(3 * draw())
        kinds = [int(draw() * len(NAMES))]
        while len(kinds) < number:
            kind = int(draw() * len(NAMES))
            if all(_FITS[self.split](kind, other) for other in kinds):
                kinds.append(kind)
        return kinds

    def _place(self, kinds, draw):
        """Tries to place all: (kind, box, longer side) from left to right, or None."""
        middle = self.size / 2
        placed, centres = [], []
        for kind in kinds:
            longer = self._smallest + int(draw() * (self._largest - self._smallest + 1))
            height, width = _picture(kind, longer)[0].shape[:2]
            for _ in range(8):
                top = int(draw() * (self.size - height + 1))
                left = int(draw() * (self.size - width + 1))
                bottom, right = top + height, left + width
                y, x = (top + bottom) / 2, (left + right) / 2
                held_out = HELD_OUT_QUADRANT[kind] == 2 * (y >= middle) + (x >= middle)
                if held_out == (self.split == "places") and all(
                    abs(x - other_x) >= self._order_margin
                    and (top > box[2] or bottom < box[0] or left > box[3] or right < box[1])
                    for (_, box, _), (_, other_x) in zip(placed, centres)
                ):
                    placed.append((kind, (top, left, bottom, right), longer))
                    centres.append((y, x))
                    break
            else:
                return None
        y, x = min(centres, key=lambda centre: centre[1])
        for other_y, other_x in centres:
            if other_x != x and abs(abs(other_y - y) - (other_x - x)) < self._axis_margin:
                return None
        return sorted(placed, key=lambda one: one[1][1] + one[1][3])

    def _tell(self, image, placed):
        boxes = [box for _, box, _ in placed]
        kinds = [kind for kind, _, _ in placed]
        relations = [_relation(boxes[0], box) for box in boxes[1:]]
        words, spans = self._telling.caption(kinds, relations)
        objects = (
            SceneObject(self.kinds[kind], box, span) for kind, box, span in zip(kinds, boxes, spans)
        )
        return Scene(image, " ".join(words), tuple(objects))


# As many as one image size needs, and a few sizes more.
@functools.lru_cache(maxsize=8192)
def _picture(kind, longer):
    """A picture to be laid over: its colours times its opacity, and what shows through."""
    picture = draw_picture(KINDS[NAMES[kind]], longer).astype("uint16")
    opacity = (picture[..., 3:] * 256 + 127) // 255
    return picture[..., :3] * opacity, 256 - opacity


def _relation(box, other):
    """Where the box is, seen from another one to the right of its centre."""
    down = other[0] + other[2] - box[0] - box[2]
    right = other[1] + other[3] - box[1] - box[3]
    if abs(down) < right:
        return LEFT
    return ABOVE if down > 0 else BELOW


def _apart(kind, other):
    """Whether training may show both in one scene."""
    return TEST_GROUP[kind] != TEST_GROUP[other] and DEV_GROUP[kind] != DEV_GROUP[other]


_FITS = {
    "train": _apart,
    "dev": lambda kind, other: kind != other and DEV_GROUP[kind] == DEV_GROUP[other],
    "test": lambda kind, other: kind != other and TEST_GROUP[kind] == TEST_GROUP[other],
    # One object a quadrant: two would overlap.
    "places": lambda kind, other: (
        _apart(kind, other) and HELD_OUT_QUADRANT[kind] != HELD_OUT_QUADRANT[other]
    ),
}
