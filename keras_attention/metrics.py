"""Metrics: token accuracy during training, error rates, entities, and the pointing game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention._core.checks import check_id, check_rank, check_shape
from keras_attention._core.optional import require
from keras_attention._core.types import Config, DType, Tensor

__all__ = [
    "EntityScores",
    "ErrorRates",
    "TokenAccuracy",
    "entities",
    "entity_scores",
    "error_rates",
    "peaks_inside",
]


@keras.saving.register_keras_serializable(package="keras_attention")
class TokenAccuracy(keras.metrics.Mean):
    """The share of labels, other than padding, that have the highest logit.

    Args:
        name, dtype: see `keras.metrics.Metric`.
        pad_id: the id of padding, such as `model.special_ids.pad`.

    Update arguments:
        y_true: ids `(B, T)`, padded.
        y_pred: logits `(B, T, V)`.
        sample_weight: `(B,)`, `(B, T)` or None.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import TokenAccuracy
    >>> accuracy = TokenAccuracy()
    >>> accuracy.update_state(np.array([[1, 2, 0]]), np.eye(3)[[[1, 1, 1]]])
    >>> float(accuracy.result())
    0.5
    """

    def __init__(
        self, name: str = "token_accuracy", dtype: DType | None = None, pad_id: int = 0
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.pad_id = check_id("pad_id", pad_id)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        check_shape("y_true", y_true, y_pred.shape[:-1], "one id per position of y_pred")
        labels = ops.cast(y_true, "int32")
        right = ops.equal(labels, ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        weights = ops.cast(ops.not_equal(labels, self.pad_id), self.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, self.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = ops.expand_dims(sample_weight, -1)
            weights = weights * sample_weight
        # Flat, since Keras' mean would weight examples equally, not tokens.
        right = ops.reshape(ops.cast(right, self.dtype), (-1,))
        super().update_state(right, sample_weight=ops.reshape(weights, (-1,)))

    def get_config(self) -> Config:
        return {"name": self.name, "dtype": self.dtype, "pad_id": self.pad_id}


class ErrorRates(NamedTuple):
    """Error rates as fractions.

    Attributes:
        items: the fraction of sequences that are wrong.
        tokens: edits per token of the references.

    Example:

    >>> from keras_attention.metrics import ErrorRates
    >>> ErrorRates(items=0.5, tokens=0.1).items
    0.5
    """

    items: float
    tokens: float


def error_rates(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> ErrorRates:
    """Word and phoneme error rates, with several references per hypothesis.

    A hypothesis is right if it equals any of its references. The token error
    rate is the sum of the Levenshtein distances to the nearest references (the
    longest on a tie), divided by the sum of the lengths of these references.

    Args:
        hypotheses: a sequence of tokens per item.
        references: for each item the accepted sequences of tokens.

    Returns:
        `ErrorRates`.

    Raises:
        ValueError: if the two differ in length or are empty, or if all
            references are.
        ImportError: without the extra `data`.

    Example:

    >>> from keras_attention.metrics import error_rates
    >>> rates = error_rates([["K", "AE"], ["D"]], [[["K", "AE", "T"], ["K"]], [["D"]]])
    >>> rates.items, round(rates.tokens, 3)
    (0.5, 0.25)
    """
    distance = require("rapidfuzz.distance", "data").Levenshtein.distance
    if len(hypotheses) != len(references) or not hypotheses:
        raise ValueError(
            "references: expected one list of sequences per hypothesis and at least one, received "
            f"{len(references)} for {len(hypotheses)} hypotheses."
        )
    wrong = edits = length = 0
    for hypothesis, accepted in zip(hypotheses, references):
        edit, negative = min((distance(hypothesis, one), -len(one)) for one in accepted)
        wrong += edit > 0
        edits += edit
        length -= negative
    if not length:
        raise ValueError("references: expected at least one token, received only empty sequences.")
    return ErrorRates(wrong / len(hypotheses), edits / length)


class EntityScores(NamedTuple):
    """Precision, recall and F1 of entities, as fractions.

    Attributes:
        precision: the fraction of the found entities that are right.
        recall: the fraction of the entities of the references that are found.
        f1: the harmonic mean of both.
        support: the number of entities in the references.

    Example:

    >>> from keras_attention.metrics import EntityScores
    >>> EntityScores(precision=0.5, recall=0.5, f1=0.5, support=2).f1
    0.5
    """

    precision: float
    recall: float
    f1: float
    support: int


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The entities of a sequence of tags `B-KIND`, `I-KIND` and `O`.

    An entity begins at a `B-`, and at an `I-` that follows another kind or `O`;
    it goes on at each `I-` of its kind. This is the definition of conlleval, and
    the default of the package seqeval. (`E-` and `S-`, which end an entity, are
    read too.)

    Args:
        tags: the tag of each token.

    Returns:
        Kind, first position and last position of each entity.

    Raises:
        ValueError: for a tag of another form.

    Example:

    >>> from keras_attention.metrics import entities
    >>> entities(["B-PER", "I-PER", "O", "B-LOC"])
    [('PER', 0, 1), ('LOC', 3, 3)]
    """
    found: list[tuple[str, int, int]] = []
    before, kind_before = "O", ""
    for position, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if prefix not in ("O", "B", "I", "E", "S") or (prefix != "O") != bool(kind):
            raise ValueError(f"tags: expected O, or B- or I- with a kind, received {tag!r}.")
        if prefix != "O":
            begins = prefix in "BS" or before in "OES" or kind != kind_before
            start = position if begins else found.pop()[1]
            found.append((kind, start, position))
        before, kind_before = prefix, kind
    return found


def entity_scores(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> EntityScores:
    """Precision, recall and F1 of entities, over all sequences together.

    An entity is right if the reference has one of the same kind with the same
    first and last token. See `entities` for what an entity is.

        F1 = 2 * precision * recall / (precision + recall)

    Source: Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003
    Shared Task", 2003.

    Args:
        hypotheses: tags per sequence.
        references: the right tags per sequence.

    Returns:
        `EntityScores`; a fraction of nothing is 0.

    Raises:
        ValueError: if the two differ in length, and for tags of another form.

    Example:

    >>> from keras_attention.metrics import entity_scores
    >>> right = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    >>> found = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    >>> entity_scores(found, right).f1
    0.5
    """
    if list(map(len, hypotheses)) != list(map(len, references)):
        raise ValueError(
            "references: expected sequences of the lengths of the hypotheses, received "
            f"{len(references)} with {sum(map(len, references))} tags for {len(hypotheses)} with "
            f"{sum(map(len, hypotheses))}."
        )
    found, given = (
        {(number, *entity) for number, tags in enumerate(side) for entity in entities(tags)}
        for side in (hypotheses, references)
    )
    right = len(found & given)
    precision, recall = right / max(1, len(found)), right / max(1, len(given))
    # The harmonic mean, without a division by 0.
    f1 = 2 * right / max(1, len(found) + len(given))
    return EntityScores(precision, recall, f1, len(given))


def peaks_inside(maps: Tensor, boxes: Tensor, image_size: tuple[int, int]) -> np.ndarray:
    """The pointing game: whether the peak of each map is inside its box.

    The peak is the centre of the map's highest cell (the first on a tie), on an
    image that the map covers evenly.

    Source: Zhang et al., "Top-Down Neural Attention by Excitation Backprop",
    2016.

    Args:
        maps: `(N, h, w)`.
        boxes: `(N, 4)`: top, left, bottom and right in pixels, bottom and right
            exclusive.
        image_size: height and width in pixels.

    Returns:
        `(N,)` booleans, a NumPy array.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import peaks_inside
    >>> maps = np.array([[[0.1, 0.7], [0.1, 0.1]]])
    >>> peaks_inside(maps, [[0, 10, 10, 20]], (20, 20)).tolist()
    [True]
    """
    maps, boxes = np.asarray(maps), np.asarray(boxes)
    if maps.size == 0:
        return np.zeros((0,), bool)
    check_rank("maps", maps, (3,), "maps of shape (number, height, width)")
    check_shape("boxes", boxes, (len(maps), 4), "one box per map")
    rows, columns = np.divmod(maps.reshape(len(maps), -1).argmax(1), maps.shape[2])
    down = (rows + 0.5) * image_size[0] / maps.shape[1]
    right = (columns + 0.5) * image_size[1] / maps.shape[2]
    top, left, bottom, end = boxes.T
    return (top <= down) & (down < bottom) & (left <= right) & (right < end)
