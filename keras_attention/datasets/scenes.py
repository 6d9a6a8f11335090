"""Scenes of OpenMoji's pictures with captions, boxes of the objects and their words."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Literal, NamedTuple, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_attention._core.checks import check_choice, check_positive
from keras_attention.datasets.backgrounds import paint_background
from keras_attention.datasets.kinds import DEV_GROUP, HELD_OUT_QUADRANT, KINDS, NAMES, TEST_GROUP
from keras_attention.datasets.openmoji import LANGUAGES, draw_picture
from keras_attention.datasets.scene_words import ABOVE, BELOW, LEFT, SceneWords

# (top, left, bottom, right) in pixels.
Box: TypeAlias = tuple[int, int, int, int]
# Kind, box and longer side of an object.
_Placed: TypeAlias = tuple[int, Box, int]

# Default number of scenes per split.
_COUNTS = {"train": 1_000_000, "dev": 1_000, "test": 2_000, "places": 2_000}


class SceneObject(NamedTuple):
    """One object of a scene.

    `box` is (top, left, bottom, right) in pixels, the last two exclusive.
    `words` is (first, end) of its name in `caption.split()`, without the
    article.

    Example:

    >>> from keras_attention.datasets import SceneObject
    >>> SceneObject("dolphin", (10, 4, 34, 30), (1, 2)).name
    'dolphin'
    """

    name: str
    box: Box
    words: tuple[int, int]


class Scene(NamedTuple):
    """An image (uint8, `(size, size, 3)`), its caption, and its objects in the caption's order.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import Scene
    >>> Scene(np.zeros((96, 96, 3), "uint8"), "a fox above an egg", ()).caption.split()[1]
    'fox'
    """

    image: NDArray[np.uint8]
    caption: str
    objects: tuple[SceneObject, ...]


class Scenes:
    """Generated scenes of two to four objects, with captions that describe their positions.

    The 128 kinds of objects are pictures of OpenMoji's font (CC BY-SA 4.0,
    which applies to the scenes too). Their locations and sizes are random, the
    longer side is a quarter to three eighths of the image, they do not overlap,
    and backgrounds are plain, gradients or textures. Scenes are drawn on
    access; scene i depends on `(seed, split, i)` only. (A few pixels differ
    between versions of Pillow by rounding; boxes and captions do not.)

    The caption names the objects from left to right, with the relation of the
    first object to each of the others: `"a red apple to the left of a dolphin ,
    above a hammer"`. The relation is along the axis on which the centers are
    farther apart. Scenes with nearly equal positions or distances do not occur,
    so that every caption is either right or wrong. Words are separated by single spaces,
    and a comma is a word: `caption.split()` are the tokens.

    The test splits have combinations that no training scene has:

    - `"dev"` and `"test"`: pairs of kinds. The kinds form groups of 8. All
      objects of a test scene are of one group; those of a training scene never
      share a group. `"dev"` has other groups, so that its pairs do not occur in
      "test" either.
    - `"places"`: kinds in one quadrant. Every kind has a quadrant in which its
      center is in this split always, and in the others never.

    Args:
        split: `"train"`, `"dev"`, `"test"` or `"places"`.
        seed: seed of the scenes; groups and quadrants do not depend on it.
        size: height and width in pixels, at least 32.
        language: language of the captions, one of the 14 of the `emoji`
            package. Only English has articles.
        count: number of scenes; by default 1,000,000 for "train", 1,000 for
            "dev", 2,000 for "test" and for "places".

    Raises:
        ImportError: without the extra `scenes`.
        OSError: if the pictures or names cannot be downloaded.
        ValueError: if split or language is unknown, or a number is out of
            range.

    Example:

    >>> from keras_attention.datasets import Scenes
    >>> scenes = Scenes("test", seed=1)
    >>> scenes[0].image.shape, len(scenes.kinds), len(scenes)
    ((96, 96, 3), 128, 2000)
    >>> images, captions = scenes.batch(range(4))
    >>> images.shape, len(captions)
    ((4, 96, 96, 3), 4)
    """

    def __init__(
        self,
        split: Literal["train", "dev", "test", "places"] = "train",
        seed: int = 0,
        size: int = 96,
        language: str = "en",
        count: int | None = None,
    ) -> None:
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
        self._words = SceneWords(KINDS, language)
        # Least distance of two centers for a clear order, and least difference of the distances
        # along both axes for a clear relation.
        self._order_margin, self._axis_margin = size / 24, size / 12
        self._smallest, self._largest = size // 4, size * 3 // 8

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the kinds, in the language of the captions."""
        return self._words.names

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that a caption of any split can have, in a fixed order."""
        return self._words.vocabulary

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: SupportsIndex) -> Scene:
        index = operator.index(index)
        if not -self._count <= index < self._count:
            raise IndexError(f"index: expected one of {self._count} scenes, received {index}.")
        return self._draw(index % self._count)

    def batch(self, indices: Iterable[int]) -> tuple[NDArray[np.uint8], list[str]]:
        """The images and captions of several scenes.

        Args:
            indices: integers.

        Returns:
            The images, uint8 `(B, size, size, 3)`, and the list of B captions.
        """
        scenes = [self[i] for i in indices]
        if not scenes:
            return np.zeros((0, self.size, self.size, 3), "uint8"), []
        return np.stack([scene.image for scene in scenes]), [scene.caption for scene in scenes]

    def batches(
        self, batch_size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
        """The scenes from `start` to `stop` in batches, in order.

        Args:
            batch_size: scenes per batch; the last batch may be smaller.
            start: the first scene.
            stop: the end of the range, exclusive; by default the last scene.

        Yields:
            Images and captions, as `batch`.
        """
        check_positive("batch_size", batch_size)
        stop = self._count if stop is None else min(stop, self._count)
        for first in range(start, stop, batch_size):
            yield self.batch(range(first, min(first + batch_size, stop)))

    def _draw(self, index: int) -> Scene:
        # The numbers of random() are the same in every version of Python.
        draw = Random(f"{self.seed} {self.split} {index}").random
        placed = None
        while placed is None:
            kinds = self._some_kinds(draw)
            # Several tries, so that scenes with many objects are not less frequent.
            for _ in range(50):
                placed = self._arrange(kinds, draw)
                if placed is not None:
                    break
        image = paint_background(self.size, draw)
        for kind, (top, left, bottom, right), longer in placed:
            paint, cover = _picture(kind, longer)
            under = image[top:bottom, left:right]
            under[:] = (under * cover + paint) >> 8
        return self._describe(image, placed)

    def _some_kinds(self, draw: Callable[[], float]) -> list[int]:
        number = 2 + int(3 * draw())
        kinds = [int(draw() * len(NAMES))]
        while len(kinds) < number:
            kind = int(draw() * len(NAMES))
            if all(_FITS[self.split](kind, other) for other in kinds):
                kinds.append(kind)
        return kinds

    def _arrange(self, kinds: Sequence[int], draw: Callable[[], float]) -> list[_Placed] | None:
        """Tries to arrange the objects; returns them from left to right, or None."""
        middle = self.size / 2
        placed: list[_Placed] = []
        centers: list[tuple[float, float]] = []
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
                    for (_, box, _), (_, other_x) in zip(placed, centers)
                ):
                    placed.append((kind, (top, left, bottom, right), longer))
                    centers.append((y, x))
                    break
            else:
                return None
        y, x = min(centers, key=lambda center: center[1])
        for other_y, other_x in centers:
            if other_x != x and abs(abs(other_y - y) - (other_x - x)) < self._axis_margin:
                return None
        return sorted(placed, key=lambda one: one[1][1] + one[1][3])

    def _describe(self, image: NDArray[np.uint8], placed: Sequence[_Placed]) -> Scene:
        boxes = [box for _, box, _ in placed]
        kinds = [kind for kind, _, _ in placed]
        relations = [_relation(boxes[0], box) for box in boxes[1:]]
        words, spans = self._words.caption(kinds, relations)
        objects = (
            SceneObject(self.kinds[kind], box, span) for kind, box, span in zip(kinds, boxes, spans)
        )
        return Scene(image, " ".join(words), tuple(objects))


# Enough for one image size and a few more.
@functools.lru_cache(maxsize=8192)
def _picture(kind: int, longer: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A picture for blending: its colors times its opacity, and the share of the background."""
    picture = draw_picture(KINDS[NAMES[kind]], longer).astype("uint16")
    opacity = (picture[..., 3:] * 256 + 127) // 255
    return picture[..., :3] * opacity, 256 - opacity


def _relation(box: Box, other: Box) -> str:
    """The relation of a box to another one that is to the right of its center."""
    down = other[0] + other[2] - box[0] - box[2]
    right = other[1] + other[3] - box[1] - box[3]
    if abs(down) < right:
        return LEFT
    return ABOVE if down > 0 else BELOW


def _apart(kind: int, other: int) -> bool:
    """Whether both may be in one training scene."""
    return TEST_GROUP[kind] != TEST_GROUP[other] and DEV_GROUP[kind] != DEV_GROUP[other]


_FITS: dict[str, Callable[[int, int], bool]] = {
    "train": _apart,
    "dev": lambda kind, other: kind != other and DEV_GROUP[kind] == DEV_GROUP[other],
    "test": lambda kind, other: kind != other and TEST_GROUP[kind] == TEST_GROUP[other],
    # One object per quadrant: two would overlap.
    "places": lambda kind, other: (
        _apart(kind, other) and HELD_OUT_QUADRANT[kind] != HELD_OUT_QUADRANT[other]
    ),
}
