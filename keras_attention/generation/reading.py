"""What a model reads, as batches for its decoder: texts as ids, images and features as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from keras import ops

from keras_attention._core.padding import pad
from keras_attention._core.types import Structure, Tensor
from keras_attention.text.bounds import longest_of
from keras_attention.text.known_ids import stand_in
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import SpecialIds
from keras_attention.text.vocabularies import vocabulary_size


@runtime_checkable
class ReadsTokens(Protocol):
    """A decoder that reads and writes tokens. Each vocabulary may be its size alone, or None."""

    source_vocabulary: VocabularyLike | int | None
    target_vocabulary: VocabularyLike | int | None


@runtime_checkable
class ReadsSources(Protocol):
    """A decoder that reads one or several sources by name; those without a vocabulary are ids,
    images or other arrays."""

    sources: tuple[str, ...]
    source_vocabularies: Mapping[str, VocabularyLike | int]
    target_vocabulary: VocabularyLike | int | None


@runtime_checkable
class ReadsImages(Protocol):
    """A decoder that reads images and writes tokens."""

    vocabulary: VocabularyLike | int | None

    def as_maps(self, weights: Tensor) -> Tensor:
        """Weights `(..., h * w)` as maps `(..., h, w)`."""
        ...


class Tokens:
    """Tokens and ids of one side of a model. Without a vocabulary, tokens are ids as strings.

    Args:
        vocabulary: a vocabulary, or the number of ids, or None.
        special_ids: of the model, for a side without a vocabulary.
        name: of the argument that holds texts or ids of it, for messages.
    """

    def __init__(
        self, vocabulary: VocabularyLike | int | None, special_ids: SpecialIds, name: str = "inputs"
    ) -> None:
        self.vocabulary = vocabulary if isinstance(vocabulary, VocabularyLike) else None
        self.size = None if vocabulary is None else vocabulary_size(vocabulary)
        self.special_ids = special_ids if self.vocabulary is None else self.vocabulary.special_ids
        self.name = name

    def read(self, text: Any) -> tuple[list[str], list[int]]:
        """The tokens of a text, a string or ids, and their ids.

        Ids outside of the vocabulary are unknown.
        """
        if isinstance(text, str):
            if self.vocabulary is None:
                raise ValueError(
                    f"{self.name}: expected lists of ids, since the model has no Vocabulary for "
                    f"them, received the text {text!r}."
                )
            tokens = self.vocabulary.split(text)[: longest_of(self.vocabulary)]
            return tokens, self.vocabulary.to_ids(tokens)
        ids = self._array(text)
        if self.size is not None:
            outside = (ids < 0) | (ids >= self.size)
            ids = np.where(outside, stand_in(self.size, self.special_ids), ids)
        listed = ids.astype("int32").tolist()
        if self.vocabulary is None:
            return [str(i) for i in listed], listed
        return [self.vocabulary.tokens[i] for i in listed], listed

    def written(self, text: Any) -> list[int]:
        """The ids of a text that is to be written; refuses ids outside of the vocabulary."""
        if isinstance(text, str):
            return self.read(text)[1]
        ids = self._array(text).tolist()
        if self.vocabulary is not None and any(not 0 <= i < len(self.vocabulary) for i in ids):
            size = len(self.vocabulary)
            raise ValueError(f"{self.name}: expected ids from 0 to {size - 1}, received {ids!r}.")
        return ids

    def _array(self, text: Any) -> Any:
        """Ids as an array without padding at the end."""
        array = np.asarray(text)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise ValueError(f"{self.name}: expected strings or lists of ids, received {text!r}.")
        real = np.flatnonzero(array != self.special_ids.pad)
        return array[: real[-1] + 1 if real.size else 0]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens of ids that were written."""
        if self.vocabulary is None:
            return [str(i) for i in ids]
        return self.vocabulary.to_tokens(ids)

    def name_of(self, i: int) -> str:
        """The token of one id, also of a special one."""
        return str(i) if self.vocabulary is None else self.vocabulary.tokens[i]

    def join(self, tokens: list[str]) -> str:
        """The text of tokens."""
        return " ".join(tokens) if self.vocabulary is None else self.vocabulary.join(tokens)


class Texts:
    """A source of ids, one text per example."""

    def __init__(self, texts: Sequence[Any], side: Tokens) -> None:
        self.side = side
        read = [side.read(text) for text in texts]
        self.tokens = [tokens for tokens, _ in read]
        self.ids = [ids for _, ids in read]
        self.lengths = [len(ids) for ids in self.ids]
        self.spec = keras.KerasTensor((None, None), "int32")

    def batch(self, examples: Sequence[int]) -> Tensor:
        """The ids of some examples `(B, S)`, padded."""
        return pad([self.ids[i] for i in examples], value=self.side.special_ids.pad)


class Arrays:
    """A source of arrays, such as images or features."""

    def __init__(self, arrays: Structure) -> None:
        self.array = np.asarray(arrays)
        self.lengths = [0] * len(self.array)
        self.spec = keras.KerasTensor((None, *self.array.shape[1:]), str(self.array.dtype))

    def batch(self, examples: Sequence[int]) -> Tensor:
        """The arrays of some examples."""
        return self.array[list(examples)]


class Inputs:
    """All that a model reads, of N examples.

    Args:
        model: what the user handed in.
        special_ids: of the model, for sources without a vocabulary.
        inputs: texts, ids or arrays, or a dictionary of them by source.

    Attributes:
        count: N.
        lengths: the total number of source tokens of each example.
        text: the first source of ids, or None.
        specs: a `keras.KerasTensor` for each source, as `batch` gives them.
    """

    def __init__(self, model: object, special_ids: SpecialIds, inputs: Structure) -> None:
        self._name: str | None = None
        if isinstance(inputs, str):
            raise ValueError(f"inputs: expected a list of strings, received the string {inputs!r}.")
        if isinstance(inputs, Mapping):
            named = dict(inputs)
        else:
            named = {_only_source(model): inputs}
            # A captioner takes an image or its features, by name.
            self._name = None if _is_captioner(model) else next(iter(named))
        if not named:
            raise ValueError("inputs: expected a source by its name, received an empty dictionary.")
        self._sources: dict[str, Texts | Arrays] = {}
        for name, given in named.items():
            vocabulary, is_text = _vocabulary(model, name, inputs)
            if is_text or (is_text is None and _are_texts(given)):
                listed = given if isinstance(given, (list, tuple)) else ops.convert_to_numpy(given)
                self._sources[name] = Texts(list(listed), Tokens(vocabulary, special_ids))
            else:
                self._sources[name] = Arrays(given)
        counts = {len(one.lengths) for one in self._sources.values()}
        if len(counts) != 1:
            raise ValueError(
                "inputs: expected as many examples of every source, received "
                + ", ".join(f"{len(one.lengths)} of {n!r}" for n, one in self._sources.items())
                + "."
            )
        self.count = counts.pop()
        self.lengths = [sum(one) for one in zip(*(s.lengths for s in self._sources.values()))]
        texts = [one for one in self._sources.values() if isinstance(one, Texts)]
        self.text = texts[0] if texts else None
        self.specs = self._structure({n: one.spec for n, one in self._sources.items()})

    def batch(self, examples: Sequence[int]) -> Structure:
        """What `decoder.start` takes, for some examples."""
        return self._structure({n: one.batch(examples) for n, one in self._sources.items()})

    def _structure(self, named: dict[str, Any]) -> Structure:
        # One source that was not named is the tensor alone, as decoders expect it.
        return named if self._name is None else named[self._name]


def _only_source(model: object) -> str:
    """The name of the source that is given without one."""
    if isinstance(model, ReadsSources):
        if len(model.sources) > 1:
            raise ValueError(
                "inputs: expected a dictionary of the sources "
                f"{', '.join(map(repr, model.sources))}, received one alone."
            )
        return model.sources[0]
    return "image" if _is_captioner(model) else "source"


def _is_captioner(model: object) -> bool:
    return isinstance(model, ReadsImages) and not isinstance(model, ReadsTokens)


def _vocabulary(
    model: object, name: str, inputs: Structure
) -> tuple[VocabularyLike | int | None, bool | None]:
    """The vocabulary of a source, and whether it is text, which may show only in what is given."""
    if isinstance(model, ReadsSources):
        if name not in model.sources:
            raise ValueError(
                f"inputs: expected the sources {', '.join(map(repr, model.sources))}, received "
                f"{name!r}."
            )
        vocabulary = model.source_vocabularies.get(name)
        return vocabulary, None if vocabulary is None else True
    if _is_captioner(model):
        if isinstance(inputs, Mapping) and len(inputs) != 1:
            raise ValueError(
                f"inputs: expected either 'image' or 'features', received {sorted(inputs)}."
            )
        return None, False
    if isinstance(model, ReadsTokens):
        if name != "source":
            raise ValueError(
                "inputs: expected a list of strings or ids, or a dictionary of 'source', received "
                f"a dictionary of {sorted(inputs)}."
            )
        return model.source_vocabulary, True
    return None, None


def _are_texts(given: Any) -> bool:
    """Whether what is given are strings or sequences of ids."""
    if isinstance(given, (list, tuple)):
        first = given[0] if given else 0
        if isinstance(first, str) or not len(np.shape(first)):
            return True
        return len({np.shape(one) for one in given}) > 1 or _are_texts(np.asarray(given))
    array = ops.convert_to_numpy(given)
    return array.ndim == 2 and array.dtype.kind in "iu"
