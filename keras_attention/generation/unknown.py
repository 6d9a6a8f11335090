"""Words that the model has no token for are copied from the source, by attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from keras_attention._core.checks import check_shape
from keras_attention._core.types import Tensor
from keras_attention.text.protocol import SplitsWords, VocabularyLike
from keras_attention.text.special_ids import SPECIALS, UNKNOWN

UNKNOWN_TOKEN = SPECIALS[UNKNOWN]

# From source tokens, target tokens and attention to target tokens.
Replacer: TypeAlias = Callable[[list[str], list[str], Any], list[str]]
Replacement: TypeAlias = "bool | Mapping[str, str] | Replacer"


def replace_unknown(
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    attention: Tensor,
    replacements: Mapping[str, str] | None = None,
    unknown_token: str = UNKNOWN_TOKEN,
) -> list[str]:
    """Replaces each unknown token by the source token with the largest attention weight.

        token_t = replacements.get(source_s, source_s),  s = argmax_s attention_ts

    Names and numbers are the same in many languages; for other words
    `replacements` is a dictionary. An unknown token without any weight stays.

    Sources: Jean et al., "On Using Very Large Target Vocabulary for Neural
    Machine Translation", 2015; the dictionary: Luong et al., "Addressing the
    Rare Word Problem in Neural Machine Translation", 2015.

    Args:
        source_tokens: S strings; empty ones are padding.
        target_tokens: T strings.
        attention: `(T, S)`; further columns (padding) are ignored.
        replacements: a dictionary from source tokens to what replaces them, or
            None.
        unknown_token: what the target's vocabulary writes for an unknown token.

    Returns:
        A list of T strings.

    Raises:
        ValueError: where `attention` is not a matrix of that size, or a
            replacement is not a string or is empty.

    Example:

    >>> from keras_attention.generation import replace_unknown
    >>> attention = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.2, 0.8]]
    >>> replace_unknown(["ask", "Habakkuk", "today"], ["demande", "<unk>", "<unk>"], attention,
    ...                 {"today": "aujourd'hui"})
    ['demande', 'Habakkuk', "aujourd'hui"]
    """
    replacements = checked_replacements(replacements)
    attention = np.asarray(attention, "float32")
    if attention.ndim == 2:
        attention = attention[:, : len(source_tokens)]
    expected = len(target_tokens), len(source_tokens)
    # Without target tokens a plain list has no columns.
    if target_tokens:
        check_shape("attention", attention, expected, "a row a target token, a column a source one")
    real = np.array([token != "" for token in source_tokens], bool)
    found = []
    for token, weights in zip(target_tokens, attention):
        weights = np.where(real, weights, 0)
        if token == unknown_token and weights.any():
            token = source_tokens[int(np.argmax(weights))]
            token = replacements.get(token, token)
        found.append(token)
    return found


def word_replacer(
    replace: Replacement, source: VocabularyLike | None, target: VocabularyLike | None
) -> Replacer:
    """The function that replaces unknown words, for the argument of `generate`.

    Whole words are copied, also where the source is read in pieces, and spelled
    as the target's vocabulary joins them.

    Args:
        replace: `False`, `True`, a dictionary of `replacements`, or a function
            of the first three arguments of `replace_unknown`.
        source, target: the vocabularies; None where tokens are ids.

    Returns:
        A function from source tokens, target tokens and attention to target
        tokens.

    Raises:
        ValueError: for anything else. The returned function raises it where
            `replace` does not return one string per token.

    Example:

    >>> from keras_attention.generation.unknown import word_replacer
    >>> from keras_attention.text.subwords import Subwords
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> replaced = word_replacer(True, Subwords(["▁Te", "##ko", "##a"]), Vocabulary("ab"))
    >>> replaced(["▁Te", "##ko", "##a"], ["<unk>"], [[0.2, 0.7, 0.1]])
    ['Tekoa']
    """
    if replace is False:
        return lambda source_tokens, target_tokens, attention: target_tokens
    if replace is True or isinstance(replace, Mapping):
        replacements = checked_replacements(None if replace is True else replace)
        unknown = unknown_token_of(target)
        replace = partial(replace_unknown, replacements=replacements, unknown_token=unknown)
    elif not callable(replace):
        raise ValueError(
            "replace_unknown: expected True, False, a dictionary from source words to what is "
            f"written for them, or a function, received {replace!r}."
        )

    def replaced(source_tokens: list[str], target_tokens: list[str], attention: Any) -> list[str]:
        words = list(source_tokens)
        if isinstance(source, SplitsWords):
            words = source.whole_words(source_tokens)
        found = replace(words, list(target_tokens), attention)
        fits = isinstance(found, (list, tuple)) and all(isinstance(x, str) for x in found)
        if not fits or len(found) != len(target_tokens):
            raise ValueError(
                f"replace_unknown: expected a function that returns {len(target_tokens)} strings "
                f"for as many tokens, received {found!r}."
            )
        if not isinstance(target, SplitsWords):
            return list(found)
        # An unknown token is a whole word, also where others are pieces.
        return [
            new if new == old else target.word_token(new) for new, old in zip(found, target_tokens)
        ]

    return replaced


def unknown_token_of(vocabulary: VocabularyLike | None) -> str:
    """What a vocabulary writes for an unknown token; `"<unk>"` without one."""
    if vocabulary is None or vocabulary.special_ids.unknown is None:
        return UNKNOWN_TOKEN
    return vocabulary.tokens[vocabulary.special_ids.unknown]


def checked_replacements(replacements: Mapping[str, str] | None) -> dict[str, str]:
    """Replacements as a dictionary; refuses everything but strings that are not empty."""
    replacements = dict(replacements or {})
    for token, instead in replacements.items():
        if not all(isinstance(word, str) and word for word in (token, instead)):
            raise ValueError(
                "replacements: expected strings that are not empty, received "
                f"{token!r}: {instead!r}."
            )
    return replacements
