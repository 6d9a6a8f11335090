"""How often a cloze reader finds the name that is left out, and how often simple rules do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention.datasets import Cloze
from keras_attention.recipes.cloze_data import VERSE, Encoding, inputs_of


class Answer(NamedTuple):
    """What a reader answers to one question.

    Attributes:
        name: the most probable name.
        names: the probability of each name of the passage and the question.
        tokens: of the passage, with a `VERSE` before each verse.
        weights: float32, one per token: the attention.
    """

    name: str
    names: Mapping[str, float]
    tokens: list[str]
    weights: NDArray[np.float32]


class Reader:
    """Answers questions with a trained cloze reader.

    Args:
        model: as `keras_attention.recipes.cloze.build` returns it.
        encoding: with which it was trained.

    Example:

    >>> from keras_attention.datasets import Cloze
    >>> from keras_attention.recipes import cloze
    >>> from keras_attention.recipes.cloze_data import Encoding
    >>> from keras_attention.recipes.cloze_quality import Reader
    >>> one = Cloze((("Ruth", "met", "Boaz"),), ("_____", "slept"), "Boaz", ("Ruth", "Boaz"))
    >>> encoding = Encoding.of([one])
    >>> model = cloze.build(len(encoding.words), cloze.Settings(units=2))
    >>> (answer,) = Reader(model, encoding)([one])
    >>> sorted(answer.names), answer.weights.shape
    (['Boaz', 'Ruth'], (4,))
    """

    def __init__(self, model: keras.Model, encoding: Encoding) -> None:
        outputs = {"names": model.output, "weights": model.get_layer("attention").output[1]}
        self.model, self.encoding = keras.Model(model.input, outputs), encoding

    def __call__(self, questions: Sequence[Cloze], batch_size: int = 32) -> list[Answer]:
        """An `Answer` to each question."""
        encoded = [self.encoding.encode(one) for one in questions]
        answers: dict[int, Answer] = {}
        # Passages of similar length together: a batch is about as long as its longest.
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].passage))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            # Few lengths, since the model is traced anew for each.
            inputs = inputs_of([encoded[i] for i in batch], step=64)
            found = self.model.predict_on_batch(inputs)
            for row, i in enumerate(batch):
                names = {
                    name: float(found["names"][row, number])
                    for number, name in encoded[i].names.items()
                }
                tokens = [token for verse in questions[i].passage for token in (VERSE, *verse)]
                weights = found["weights"][row, : len(tokens)]
                best = max(names, key=lambda name: names[name])
                answers[i] = Answer(best, names, tokens, weights)
        return [answers[i] for i in range(len(questions))]


def evaluate(reader: Reader, questions: Sequence[Cloze]) -> dict[str, float]:
    """The share of right answers in percent, and the mean probability of the right name.

    Args:
        reader: `Reader`.
        questions: a list of `Cloze`.

    Returns:
        `"accuracy"` and `"probability"`.
    """
    answers = reader(questions)
    right = [answer.name == one.answer for answer, one in zip(answers, questions)]
    probability = [answer.names[one.answer] for answer, one in zip(answers, questions)]
    return {
        "accuracy": round(100 * float(np.mean(right)), 2),
        "probability": round(float(np.mean(probability)), 4),
    }


def baselines(questions: Sequence[Cloze]) -> dict[str, float]:
    """The share of right answers in percent of rules that do not read.

    Returns:
        `"most_frequent"`: the candidate that the passage mentions most often, the
        last mentioned of several; `"last_mentioned"`; and `"at_random"`.

    Example:

    >>> from keras_attention.datasets import Cloze
    >>> from keras_attention.recipes.cloze_quality import baselines
    >>> passage = (("Ruth", "met", "Boaz"), ("Ruth", "left"), ("Boaz", "stayed"))
    >>> baselines([Cloze(passage, ("_____", "slept"), "Boaz", ("Ruth", "Boaz"))])
    {'most_frequent': 100.0, 'last_mentioned': 100.0, 'at_random': 50.0}
    """
    frequent: list[float] = []
    last: list[float] = []
    chance: list[float] = []
    for one in questions:
        candidates = set(one.candidates)
        mentions = [token for verse in one.passage for token in verse if token in candidates]
        counts, places = Counter(mentions), {name: i for i, name in enumerate(mentions)}
        frequent.append(max(counts, key=lambda name: (counts[name], places[name])) == one.answer)
        last.append(mentions[-1] == one.answer)
        chance.append(1 / len(one.candidates))
    rules = {"most_frequent": frequent, "last_mentioned": last, "at_random": chance}
    return {name: round(100 * float(np.mean(some)), 2) for name, some in rules.items()}
