"""How often a sentiment model is right, and which words its attention is on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention.datasets import RatedText, pad
from keras_attention.text import VocabularyLike

_STEP = 16  # texts are padded to multiples of so many words


class Reading(NamedTuple):
    """What a model makes of one text.

    Attributes:
        words: the words that it read.
        positive: the probability that the text is positive.
        weights: float32 `(S,)`, the attention on each word, or None without.
    """

    words: list[str]
    positive: float
    weights: NDArray[np.float32] | None


class Reader:
    """Reads texts with a sentiment model, and with its attention where it has any.

    Args:
        model: as `keras_attention.recipes.sentiment.build` returns them.
        vocabulary: what it was trained with.

    Raises:
        ValueError: for a vocabulary without an id of unknown words.

    Example:

    >>> from keras_attention.recipes import sentiment
    >>> from keras_attention.recipes.sentiment_quality import Reader
    >>> words = sentiment.vocabulary_of(["a good film"])
    >>> model = sentiment.build(len(words), sentiment.Settings(units=2, embedding_dim=4))
    >>> (reading,) = Reader(model, words)(["A film!"])
    >>> reading.words, reading.weights.shape
    (['a', 'film'], (2,))
    """

    def __init__(self, model: keras.Model, vocabulary: VocabularyLike) -> None:
        outputs = {"positive": model.output}
        if "attention" in [layer.name for layer in model.layers]:
            outputs["weights"] = model.get_layer("attention").output[1]
        self.model, self.vocabulary = keras.Model(model.input, outputs), vocabulary
        unknown = vocabulary.special_ids.unknown
        if unknown is None:
            raise ValueError("vocabulary: expected one with an id of unknown words, received none.")
        # No id of padding: a text of padding alone has no weights.
        self._nothing = [vocabulary.tokens[unknown]]

    def __call__(self, texts: Sequence[str], batch_size: int = 256) -> list[Reading]:
        """A `Reading` of each text. A text without words is read as one unknown word."""
        split = [self.vocabulary.split(text) or self._nothing for text in texts]
        ids = [self.vocabulary.to_ids(words) for words in split]
        readings: dict[int, Reading] = {}
        # Texts of similar length together: a batch is about as long as its longest.
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            # Few lengths, since the model is traced anew for each.
            length = _STEP * -(-len(ids[batch[-1]]) // _STEP)
            found = self.model.predict_on_batch(pad([ids[i] for i in batch], length))
            for row, i in enumerate(batch):
                weights = found["weights"][row, : len(ids[i])] if "weights" in found else None
                readings[i] = Reading(split[i], float(found["positive"][row, 0]), weights)
        return [readings[i] for i in range(len(texts))]


def evaluate(
    read: Callable[[Sequence[str]], list[Reading]],
    rated: Sequence[RatedText],
    lexicon: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The accuracy of a model, and how much of its attention is on the words of a lexicon.

        share   = mean over the texts of  sum_i weight_i [word_i in the lexicon]
        uniform = mean over the texts of  sum_i 1 / S    [word_i in the lexicon]

    Args:
        read: a `Reader`.
        rated: texts whose rating is not 0.
        lexicon: what words count, or None.

    Returns:
        `"accuracy"` in percent. With a lexicon and attention also
        `"lexicon_share"`, `"uniform_share"`, and `"lexicon_ratio"`, the first
        over the second.
    """
    readings = read([one.text for one in rated])
    right = [(r.positive > 0.5) == (one.rating > 0) for r, one in zip(readings, rated)]
    report = {"accuracy": round(100 * float(np.mean(right)), 2)}
    weights = [reading.weights for reading in readings if reading.weights is not None]
    if lexicon is None or not weights:
        return report
    shares, uniform = [], []
    for reading, row in zip(readings, weights):
        inside = np.array([word in lexicon for word in reading.words])
        shares.append(float(np.sum(row, where=inside)))
        uniform.append(float(inside.mean()))
    share, even = float(np.mean(shares)), float(np.mean(uniform))
    return report | {
        "lexicon_share": round(share, 4),
        "uniform_share": round(even, 4),
        "lexicon_ratio": round(share / even, 3) if even else 0.0,
    }


def lexicon_accuracy(
    vocabulary: VocabularyLike, rated: Sequence[RatedText], lexicon: Mapping[str, float]
) -> float:
    """The accuracy in percent of the sign of the sum of a lexicon's ratings of the words.

    A sum of 0 counts as half right.
    """
    right = []
    for one in rated:
        total = sum(lexicon.get(word, 0.0) for word in vocabulary.split(one.text))
        right.append(0.5 if total == 0 else float((total > 0) == (one.rating > 0)))
    return round(100 * float(np.mean(right)), 2)
