"""Vocabularies of Keras' own layers, `TextVectorization` and `StringLookup`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import keras

from keras_attention._core.checks import check_choice
from keras_attention._core.types import Config, Tensor
from keras_attention.text.foreign.base import ForeignVocabulary
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_lookup import GraphLookup
from keras_attention.text.foreign.special_tokens import find_special_ids
from keras_attention.text.special_ids import SpecialIds
from keras_attention.text.vocabularies import reads_foreign

# A setting of the layer: a name, None, or a function of a tensor of strings.
TextFunction: TypeAlias = "str | Callable[[Tensor], Tensor] | None"

STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
SPLIT = ("whitespace", "character", None)

# As TensorFlow's operations, which Keras uses: ASCII alone.
_LOWER = {ord(c): c.lower() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_PUNCTUATION = dict.fromkeys(map(ord, "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"))
_SPACES = re.compile("[\t-\r ]+")


class LookupVocabulary(ForeignVocabulary, kind="keras_lookup"):
    """The vocabulary of a `keras.layers.TextVectorization` or `keras.layers.StringLookup`.

    `as_vocabulary` makes it of the layer, wherever a vocabulary is expected.
    The ids are those of the layer, in Python without TensorFlow, and in the
    graph. What the layer reads as a token stays one: if "[start]" is among
    them, a text with "[start]" has its id. A `StringLookup` does not split
    texts: it is taken for one of characters, if all its tokens are single
    characters, and else for one of words between white space.

    Args:
        tokens: all tokens by id.
        special_ids: `SpecialIds`.
        standardize, split, ngrams: as of `TextVectorization`. Functions run in
            TensorFlow, and can be saved if they are registered with Keras.
        longest: a text is cut after this many tokens, by default 512; of a
            layer its `output_sequence_length`.

    Raises:
        ValueError: for other settings.

    Example:

    >>> from keras_attention.text import LookupVocabulary, SpecialIds
    >>> tokens = ["", "[UNK]", "[start]", "[end]", "one", "two"]
    >>> words = LookupVocabulary(tokens, SpecialIds(0, 2, 3, 1))
    >>> words.encode("Two, one, three!"), words.decode([5, 4, 3, 0])
    ([5, 4, 1], 'two one')
    """

    def __init__(
        self,
        tokens: Iterable[str],
        special_ids: SpecialIds | Sequence[int | None],
        standardize: TextFunction | Config = "lower_and_strip_punctuation",
        split: TextFunction | Config = "whitespace",
        ngrams: Sequence[int] | None = None,
        longest: int | None = None,
    ) -> None:
        super().__init__(tokens, special_ids, longest)
        self.standardize = _function("standardize", standardize, STANDARDIZE)
        self.split_by = _function("split", split, SPLIT)
        self.ngrams = None if ngrams is None else tuple(ngrams)
        self.separator = "" if self.split_by == "character" else " "
        self.lowercase = False
        self._graph: GraphLookup | None = None

    def _split(self, text: str) -> list[str]:
        if callable(self.standardize) or callable(self.split_by):
            return self._twin().split_one(text)
        if self.standardize in ("lower", "lower_and_strip_punctuation"):
            text = text.translate(_LOWER)
        if self.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            text = text.translate(_PUNCTUATION)
        if self.split_by is None:
            tokens = [text]
        else:
            tokens = list(text) if self.split_by == "character" else _SPACES.split(text)
        tokens = [token for token in tokens if token]
        if self.ngrams is not None:
            tokens = [
                " ".join(tokens[i : i + n]) for n in self.ngrams for i in range(len(tokens) - n + 1)
            ]
        return tokens

    def join(self, tokens: Sequence[str]) -> str:
        """The text of a sequence of tokens."""
        return self.separator.join(tokens)

    def _twin(self) -> GraphLookup:
        if self._graph is None:
            self._graph = GraphLookup(self)
        return self._graph

    def in_graph(self) -> GraphForeign:
        """The same vocabulary as operations of a TensorFlow graph."""
        return GraphLookup(self)

    def get_config(self) -> Config:
        """A dictionary that JSON can hold.

        Raises:
            ValueError: for a function that is not registered with Keras.
        """
        return {
            **self._base_config("keras_lookup"),
            "standardize": _function_config("standardize", self.standardize),
            "split": _function_config("split", self.split_by),
            "ngrams": None if self.ngrams is None else list(self.ngrams),
        }


def _function(name: str, value: TextFunction | Config, names: tuple[str | None, ...]) -> object:
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    return value if callable(value) else check_choice(name, value, names)


def _function_config(name: str, function: object) -> Config | str | None:
    if not callable(function):
        return function  # type: ignore[return-value]
    if keras.saving.get_registered_object(keras.saving.get_registered_name(function)) is None:
        raise ValueError(
            f"{name}: expected a function registered with keras.saving."
            "register_keras_serializable, so that it can be saved, received "
            f"{function!r}."
        )
    return keras.saving.serialize_keras_object(function)


@reads_foreign
def read_text_vectorization(
    value: object, special_ids: SpecialIds | None, name: str, writes: bool
) -> LookupVocabulary | None:
    """The vocabulary of a `TextVectorization`; None of anything else."""
    if not isinstance(value, keras.layers.TextVectorization):
        return None
    config = value.get_config()
    if config["output_mode"] != "int":
        raise ValueError(
            f"{name}: expected a TextVectorization with output_mode='int', received one with "
            f"output_mode={config['output_mode']!r}."
        )
    tokens = tuple(str(token) for token in value.get_vocabulary())
    if len(tokens) < 3:
        raise ValueError(
            f"{name}: expected an adapted TextVectorization, received one without a vocabulary."
        )
    _check_encoding(name, config["encoding"])
    tokens, special = find_special_ids(tokens, special_ids, name, writes, pad=0, unknown=1)
    ngrams = config["ngrams"]
    ngrams = range(1, ngrams + 1) if isinstance(ngrams, int) else ngrams
    # The attributes of the layer: its configuration holds functions as names.
    return LookupVocabulary(
        tokens,
        special,
        config["standardize"],
        config["split"],
        ngrams,
        config["output_sequence_length"],
    )


@reads_foreign
def read_string_lookup(
    value: object, special_ids: SpecialIds | None, name: str, writes: bool
) -> LookupVocabulary | None:
    """The vocabulary of a `StringLookup`; None of anything else."""
    if not isinstance(value, keras.layers.StringLookup):
        return None
    config = value.get_config()
    for setting, expected in (
        ("output_mode", ("int",)),
        ("invert", (False,)),
        ("num_oov_indices", (0, 1)),
    ):
        if config[setting] not in expected:
            raise ValueError(
                f"{name}: expected a StringLookup with {setting}="
                f"{' or '.join(map(repr, expected))}, received one with "
                f"{setting}={config[setting]!r}."
            )
    _check_encoding(name, config["encoding"])
    tokens = tuple(str(token) for token in value.get_vocabulary())
    words = [str(token) for token in value.get_vocabulary(include_special_tokens=False)]
    if not words:
        raise ValueError(
            f"{name}: expected an adapted StringLookup, received one without a vocabulary."
        )
    mask, oov = config["mask_token"], config["oov_token"]
    pad = None if mask is None else tokens.index(mask)
    unknown = tokens.index(oov) if config["num_oov_indices"] else None
    tokens, special = find_special_ids(tokens, special_ids, name, writes, pad, unknown)
    characters = sum(len(token) > 1 for i, token in enumerate(tokens) if i not in special)
    return LookupVocabulary(tokens, special, None, "whitespace" if characters else "character")


def _check_encoding(name: str, encoding: str) -> None:
    if encoding.lower().replace("-", "") != "utf8":
        raise ValueError(f"{name}: expected a layer with encoding='utf-8', received {encoding!r}.")
