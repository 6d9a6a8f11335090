"""The quality of captions: what they say, and whether the attention is on what they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_attention._core.backend.gradients import gradient
from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.datasets import Scene, pad
from keras_attention.generation import Generation, Greedy, Search, generate
from keras_attention.metrics import peaks_inside
from keras_attention.models import Captioner


class Pictured(NamedTuple):
    """An image `(H, W, 3)` and all of its captions, any of which is right.

    Example:

    >>> from keras_attention.recipes.captioning import Pictured
    >>> Pictured(None, ("a dog", "a brown dog")).captions[0]
    'a dog'
    """

    image: np.ndarray
    captions: tuple[str, ...]


# More words than any caption of a scene has.
MAX_LENGTH = 40
# What captions are compared with.
Example: TypeAlias = Scene | Pictured


def references(example: Example) -> tuple[str, ...]:
    """The captions of a `Scene`, which has one, or of a `Pictured`, which has several."""
    return example.captions if isinstance(example, Pictured) else (example.caption,)


class Quality(NamedTuple):
    """Figures over generated captions.

    Attributes:
        exact_match: the share of captions that are right word for word.
        bleu: BLEU-1 to BLEU-4 of sacrebleu, from 0 to 100.
        bleu_signature: of BLEU-4.
        captions: a list of `Generation`.
        named: the share of the generated names whose object is in the image. This
            and the following are known for scenes only, else None.
        pointing: the share of the generated names for which the peak of the
            attention, summed over the words of the name, lies inside the box of
            the object. Names of objects that are not in the image count as misses.
        pointing_phrase: the same with the attention summed over article and name.
        pointing_chance: the same for locations chosen uniformly at random.
        pointing_gradient: the same for the peak of `gradient_maps`.

    Example:

    >>> from keras_attention.recipes.captioning import Quality
    >>> Quality(0.9, [95, 93, 92, 91], "nrefs:1", []).exact_match
    0.9
    """

    exact_match: float
    bleu: list[float]
    bleu_signature: str
    captions: list[Generation]
    named: float | None = None
    pointing: float | None = None
    pointing_phrase: float | None = None
    pointing_chance: float | None = None
    pointing_gradient: float | None = None


def evaluate(
    model: Captioner,
    examples: Sequence[Example],
    search: Search = Greedy(max_length=MAX_LENGTH),  # noqa: B008 (frozen)
    batch_size: int = 100,
) -> Quality:
    """Captions images, and compares the words and the attention with the truth.

    Sources: Papineni et al., 2002, through sacrebleu; the pointing game: Zhang
    et al., "Top-Down Neural Attention by Excitation Backprop", 2016.

    Args:
        model: a trained `Captioner`.
        examples: a list of `Scene` or of `Pictured`.
        search: how to decode, see `generate`.
        batch_size: images at once.

    Returns:
        `Quality`.

    Raises:
        ImportError: without the extra `translation`.
    """
    sacrebleu = require("sacrebleu", "translation")
    images = np.stack([example.image for example in examples])
    captions = generate(model, images, search, batch_size=batch_size)
    texts, right = [c.text for c in captions], [references(example) for example in examples]
    # One list per reference, with None for an image that has fewer references than others.
    columns = [
        [row[i] if i < len(row) else None for row in right] for i in range(max(map(len, right)))
    ]
    scores = [sacrebleu.BLEU(max_ngram_order=n) for n in (1, 2, 3, 4)]
    quality = Quality(
        float(np.mean([text in row for text, row in zip(texts, right)])),
        [float(score.corpus_score(texts, columns).score) for score in scores],
        str(scores[-1].get_signature()),
        captions,
    )
    scenes = [example for example in examples if isinstance(example, Scene)]
    if len(scenes) < len(examples):
        return quality
    return _with_pointing(quality, model, images, scenes, batch_size)


def _with_pointing(
    quality: Quality,
    model: Captioner,
    images: np.ndarray,
    scenes: Sequence[Scene],
    batch_size: int,
) -> Quality:
    captions = quality.captions
    said, absent = names_said(captions, scenes)
    names = max(1, len(said) + absent)
    boxes = np.array([name.box for name in said]).reshape(-1, 4)

    def inside(maps: np.ndarray) -> float:
        return float(peaks_inside(maps, boxes, images.shape[1:3]).sum()) / names

    def attention(before: int) -> np.ndarray:
        return np.array(
            [
                captions[name.scene].attention[max(0, name.begin - before) : name.end].sum(0)
                for name in said
            ]
        )

    chance = chance_inside(model.map_shape, boxes, images.shape[1:3])
    return quality._replace(
        named=len(said) / names,
        pointing=inside(attention(0)),
        pointing_phrase=inside(attention(1)),
        pointing_chance=float(chance.sum()) / names,
        pointing_gradient=inside(gradient_maps(model, images, captions, said, batch_size)),
    )


class Name(NamedTuple):
    """A name in a caption of an object that is in the image.

    Attributes:
        scene: the index of the scene.
        begin, end: which words of the caption.
        box: of the object: top, left, bottom and right in pixels.

    Example:

    >>> from keras_attention.recipes.captioning import Name
    >>> Name(0, 1, 3, (4, 8, 30, 36)).end
    3
    """

    scene: int
    begin: int
    end: int
    box: tuple[int, int, int, int]


def names_said(captions: Sequence[Generation], scenes: Sequence[Scene]) -> tuple[list[Name], int]:
    """The names in captions, each with the box of its object, and how many have none.

    Args:
        captions: a list of `Generation`.
        scenes: a list of `Scene`, one per caption.

    Returns:
        A list of `Name`, and the number of names of objects that are not in the image.
    """
    known = {tuple(name.split()) for scene in scenes for name in _names(scene)}
    longest = max(map(len, known))
    found, absent = [], 0
    for number, (caption, scene) in enumerate(zip(captions, scenes)):
        boxes = {tuple(name.split()): one.box for name, one in zip(_names(scene), scene.objects)}
        begin = 0
        while begin < len(caption.tokens):
            for end in range(min(begin + longest, len(caption.tokens)), begin, -1):
                name = tuple(caption.tokens[begin:end])
                if name in boxes:
                    found.append(Name(number, begin, end, boxes[name]))
                elif name in known:
                    absent += 1
                else:
                    continue
                begin = end - 1
                break
            begin += 1
    return found, absent


def _names(scene: Scene) -> list[str]:
    words = scene.caption.split()
    return [" ".join(words[one.words[0] : one.words[1]]) for one in scene.objects]


def chance_inside(
    map_shape: tuple[int, int], boxes: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray:
    """The share of a map's locations whose centre lies inside each box.

    Args:
        map_shape: `(h, w)`.
        boxes: `(N, 4)`: top, left, bottom and right in pixels.
        image_size: `(H, W)` in pixels.

    Returns:
        `(N,)`.
    """
    locations = np.eye(map_shape[0] * map_shape[1]).reshape(-1, *map_shape)
    repeated = np.repeat(boxes, len(locations), axis=0)
    inside = peaks_inside(np.tile(locations, (len(boxes), 1, 1)), repeated, image_size)
    return np.asarray(inside.reshape(len(boxes), len(locations)).mean(axis=1))


def gradient_maps(
    model: Captioner,
    images: np.ndarray,
    captions: Sequence[Generation],
    said: Sequence[Name],
    batch_size: int = 100,
) -> np.ndarray:
    """The locations that names depend on: the positive part of features times gradient.

        map_j = relu(sum_c a_jc * d log p(name) / d a_jc)

    It is defined for a model without attention, too.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks
    via Gradient-Based Localization", 2017, with the gradient at each location
    instead of the mean over all locations.

    Args:
        model: a `Captioner`.
        images: `(N, H, W, 3)`.
        captions: a list of `Generation`.
        said: a list of `Name`.
        batch_size: images at once.

    Returns:
        `(len(said), h, w)`.
    """
    special = model.special_ids
    said_ids = [model.vocabulary.encode(caption.text) for caption in captions]
    labels = pad(said_ids, value=special.pad)
    target = np.pad(labels, ((0, 0), (1, 0)), constant_values=special.start)[:, :-1]
    by_caption: list[list[int]] = [[] for _ in captions]
    for number, name in enumerate(said):
        by_caption[name.scene].append(number)

    def likelihood(features: Tensor, target: Tensor, labels: Tensor, chosen: Tensor) -> Tensor:
        logits = model({"features": features, "target": target}, training=False)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return -ops.sum(losses * chosen)

    slope = gradient(likelihood)
    maps = np.zeros((len(said), *model.map_shape), "float32")
    for begin in range(0, len(images), batch_size):
        batch = range(begin, min(begin + batch_size, len(images)))
        features = model.encode(images[batch])
        # One name of each caption at a time: examples of a batch do not affect each other.
        for turn in range(max(len(by_caption[i]) for i in batch)):
            chosen = np.zeros((len(batch), labels.shape[1]), "float32")
            numbers = {i: by_caption[i][turn] for i in batch if turn < len(by_caption[i])}
            for i, number in numbers.items():
                chosen[i - begin, said[number].begin : said[number].end] = 1
            tensors = (ops.convert_to_tensor(x) for x in (target[batch], labels[batch], chosen))
            found = ops.convert_to_numpy(ops.sum(features * slope(features, *tensors), axis=-1))
            for i, number in numbers.items():
                maps[number] = np.maximum(found[i - begin], 0)
    return maps


def figures(quality: Quality) -> Mapping[str, Any]:
    """What a report holds of `Quality`: rounded numbers, and BLEU by order."""
    bleu = {f"bleu{n}": round(score, 2) for n, score in enumerate(quality.bleu, 1)}
    rounded = {n: round(v, 4) for n, v in quality._asdict().items() if isinstance(v, float)}
    return rounded | bleu | {"sacrebleu_signature": quality.bleu_signature}
