"""Questions as the cloze reader reads them: ids, with a marker for each name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention.datasets import BLANK, Cloze, pad
from keras_attention.datasets.batching import batches_by_length, dataset_of_epochs
from keras_attention.text.vocabulary import Vocabulary

# The names of a passage are @0, @1, ...; so many are told apart.
MARKERS = 100
VERSE = "/"  # begins each verse of a passage
_SPECIAL = (BLANK, VERSE, *(f"@{number}" for number in range(MARKERS)))
BLANK_ID, VERSE_ID, FIRST_MARKER = range(4, 7)


class Encoded(NamedTuple):
    """One question in ids.

    Attributes:
        passage: one id per token, and one at the beginning of each verse.
        question: one id per token.
        answer: the number of the marker of the answer.
        names: the name behind each marker, by its number.
    """

    passage: list[int]
    question: list[int]
    answer: int
    names: dict[int, str]


@dataclass(frozen=True)
class Encoding:
    """Replaces names by markers, and words by ids.

    A model cannot know a name by heart: it stands for another person in every
    question, and only the passage tells who is who.

    Args:
        words: the vocabulary, which begins with `BLANK`, `/` and the markers.

    Example:

    >>> from keras_attention.datasets import Cloze
    >>> from keras_attention.recipes.cloze_data import Encoding
    >>> one = Cloze((("Ruth", "met", "Boaz"),), ("_____", "met", "us"), "Boaz", ("Ruth", "Boaz"))
    >>> encoding = Encoding.of([one], min_count=1)
    >>> encoded = encoding.encode(one)
    >>> encoding.words.to_tokens(encoded.passage), encoded.answer
    (['/', '@0', 'met', '@1'], 1)
    """

    words: Vocabulary

    @classmethod
    def of(cls, questions: Sequence[Cloze], min_count: int = 4) -> Encoding:
        """That of training questions; a word in fewer than `min_count` of them is unknown."""
        counts = Counter(
            token.lower() for one in questions for token in {*one.question} - {*one.names} - {BLANK}
        )
        words = [word for word, count in counts.most_common() if count >= min_count]
        return cls(Vocabulary([*_SPECIAL, *words], separator=" "))

    def encode(self, one: Cloze, markers: Sequence[int] | None = None) -> Encoded:
        """One question.

        Args:
            one: `Cloze`.
            markers: the number of the marker of each name; by default 0, 1, ...
                Names beyond `MARKERS` are unknown words.

        Raises:
            ValueError: if the answer is beyond `MARKERS`.
        """
        numbers = range(MARKERS) if markers is None else markers
        of_name = dict(zip(one.names, numbers))
        if one.answer not in of_name:
            raise ValueError(
                f"one: expected the answer among the first {MARKERS} names, received "
                f"{one.answer!r} and {len(one.names)} names."
            )
        tokens = {name: f"@{number}" for name, number in of_name.items()}

        def read(verse: Sequence[str]) -> list[str]:
            return [tokens.get(token) or token.lower() for token in verse]

        passage = [token for verse in one.passage for token in (VERSE, *read(verse))]
        return Encoded(
            self.words.to_ids(passage),
            self.words.to_ids(read(one.question)),
            of_name[one.answer],
            {number: name for name, number in of_name.items()},
        )


def cloze_batches(
    encoding: Encoding,
    questions: Sequence[Cloze],
    batch_size: int,
    seed: int = 0,
    shuffle: bool = True,
    epoch: Callable[[], int] | None = None,
) -> Any:
    """Batches of `({"passage": (B, P), "question": (B, Q)}, answer (B,))` for the cloze reader.

    Questions with passages of about the same length share a batch.

    Args:
        encoding: of the training questions.
        questions: a list of `Cloze`.
        batch_size: questions per batch.
        seed: of the order and of the markers.
        shuffle: whether order and markers change from epoch to epoch.
        epoch: returns how many epochs are done; counted by default.

    Returns:
        A `tf.data.Dataset` with a known number of batches.
    """
    lengths = np.array([sum(map(len, one.passage)) for one in questions])

    def one_epoch(done: int) -> Iterator[Any]:
        rng = np.random.default_rng((seed, done))
        for group in batches_by_length(lengths, batch_size, rng, shuffle, jitter=100):
            encoded = [
                encoding.encode(
                    questions[i], rng.permutation(MARKERS).tolist() if shuffle else None
                )
                for i in group
            ]
            answers = np.array([one.answer for one in encoded], "int32")
            yield inputs_of(encoded), answers

    ids = keras.KerasTensor((None, None), "int32")
    specs = ({"passage": ids, "question": ids}, keras.KerasTensor((None,), "int32"))
    return dataset_of_epochs(one_epoch, specs, epoch, -(-len(questions) // batch_size))


def inputs_of(encoded: Sequence[Encoded], step: int = 1) -> dict[str, NDArray[np.int32]]:
    """What a model reads of some questions, 0 in the padding, to a multiple of `step`."""
    sides = {
        "passage": [one.passage for one in encoded],
        "question": [one.question for one in encoded],
    }
    return {name: pad(ids, step * -(-max(map(len, ids)) // step)) for name, ids in sides.items()}
