"""Tagged sequences as a model reads them: ids of words, of letters and of tags, in batches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_attention._core.types import Config
from keras_attention.datasets import Tagged, pad
from keras_attention.datasets.batching import batches_by_length, dataset_of_epochs
from keras_attention.text.vocabulary import Vocabulary

# How many letters of a word are read.
LONGEST = 16
_UNKNOWN = 3


@dataclass(frozen=True)
class Encoding:
    """The words, letters and tags of a training set, by id.

    Example:

    >>> from keras_attention.datasets import Tagged
    >>> from keras_attention.recipes.tagging_data import Encoding
    >>> encoding = Encoding.of([Tagged(("12", "St."), ("number", "type"))], min_count=1)
    >>> encoding.inputs([("15", "st")])["words"].tolist()
    [[4, 5]]
    >>> encoding.tags
    ('number', 'type')
    """

    words: Vocabulary
    letters: Vocabulary
    tags: tuple[str, ...]

    @classmethod
    def of(cls, examples: Sequence[Tagged], min_count: int = 1) -> Encoding:
        """That of training examples; a word that occurs less than `min_count` times is unknown."""
        counts = Counter(plain_word(token) for one in examples for token in one.tokens)
        words = sorted(word for word, count in counts.items() if count >= min_count)
        letters = {letter for one in examples for token in one.tokens for letter in token}
        tags = sorted({tag for one in examples for tag in one.tags})
        return cls(Vocabulary(words, separator=" "), Vocabulary(sorted(letters)), tuple(tags))

    def inputs(
        self, sequences: Sequence[Sequence[str]], length: int | None = None
    ) -> dict[str, NDArray[np.int32]]:
        """`words` `(B, T)` and `letters` `(B, T, LONGEST)`, 0 in the padding."""
        ids = [self.words.to_ids(map(plain_word, tokens)) for tokens in sequences]
        words = pad(ids, length)
        letters = np.zeros((*words.shape, LONGEST), "int32")
        for of_sequence, tokens in zip(letters, sequences):
            read = [self.letters.to_ids(token[:LONGEST]) for token in tokens]
            of_sequence[: len(tokens)] = pad(read, LONGEST)
        return {"words": words, "letters": letters}

    def labels(self, examples: Sequence[Tagged], length: int | None = None) -> NDArray[np.int32]:
        """Ids of tags `(B, T)`; 0 in the padding, which the mask excludes, and for unknown tags."""
        ids = {tag: number for number, tag in enumerate(self.tags)}
        return pad([[ids.get(tag, 0) for tag in one.tags] for one in examples], length)

    def get_config(self) -> Config:
        """What a reader of an exported model needs, as JSON can hold it."""
        return {
            "words": list(self.words.tokens),
            "letters": list(self.letters.tokens),
            "tags": list(self.tags),
            "letters_per_word": LONGEST,
        }


def plain_word(token: str) -> str:
    """A token without case, punctuation at its ends, and the value of its digits.

    Example:

    >>> from keras_attention.recipes.tagging_data import plain_word
    >>> plain_word("93432"), plain_word("Creston,"), plain_word("&")
    ('00000', 'creston', '&')
    """
    word = re.sub(r"\d", "0", token.lower())
    return word.strip(".,;:!?()\"'") or word


def tagging_batches(
    encoding: Encoding,
    examples: Sequence[Tagged],
    batch_size: int,
    seed: int = 0,
    word_dropout: float = 0.0,
    shuffle: bool = True,
    epoch: Callable[[], int] | None = None,
) -> Any:
    """Batches of inputs and labels; sequences of similar length share a batch.

    Args:
        encoding: `Encoding`.
        examples: `Tagged` examples, at least one.
        batch_size: examples per batch.
        seed: of the order.
        word_dropout: a word that occurs n times in the examples is read as unknown
            with the probability `word_dropout / (word_dropout + n)`, as in
            Kiperwasser and Goldberg, 2016.
        shuffle: whether the order changes from epoch to epoch.
        epoch: returns how many epochs are done; counted by default.

    Returns:
        A `tf.data.Dataset` with a known number of batches.
    """
    lengths = np.array([len(one.tokens) for one in examples])
    ids = [i for one in examples for i in encoding.words.to_ids(map(plain_word, one.tokens))]
    counts = np.bincount(ids, minlength=len(encoding.words))
    rates = word_dropout / np.maximum(word_dropout + counts, 1e-9)

    def one_epoch(done: int) -> Iterator[Any]:
        rng = np.random.default_rng((seed, done))
        for group in batches_by_length(lengths, batch_size, rng, shuffle, jitter=2):
            chosen = [examples[i] for i in group]
            inputs = encoding.inputs([one.tokens for one in chosen])
            words = inputs["words"]
            dropped = (rng.uniform(size=words.shape) < rates[words]) & (words > 0)
            inputs["words"] = np.where(dropped, _UNKNOWN, words)
            yield inputs, encoding.labels(chosen)

    ids_of_words = keras.KerasTensor((None, None), "int32")
    letters = keras.KerasTensor((None, None, LONGEST), "int32")
    specs = ({"words": ids_of_words, "letters": letters}, ids_of_words)
    return dataset_of_epochs(one_epoch, specs, epoch, -(-len(examples) // batch_size))
