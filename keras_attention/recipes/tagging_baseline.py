"""Conditional random fields over features that people chose, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from keras_attention._core.optional import require
from keras_attention.datasets import Tagged

# As usaddress trains its own model.
_PENALTIES = {"c1": 0.1, "c2": 0.01}


def require_baseline() -> tuple[ModuleType, ModuleType]:
    """The packages sklearn-crfsuite and usaddress, or an ImportError that names the extra."""
    return require("sklearn_crfsuite", "tagging"), require("usaddress", "tagging")


def crfsuite_tags(
    data: str, train: Sequence[Tagged], test: Sequence[Tagged]
) -> list[tuple[str, ...]]:
    """The tags that `sklearn-crfsuite` gives after training.

    Args:
        data: `"addresses"`, with the features of usaddress; or `"tweets"`, with
            those of the tutorial of sklearn-crfsuite: the word, its endings,
            its case and digits, and the same of its neighbours.
        train: what to train on.
        test: what to tag; its tags are not read.

    Returns:
        The tags of each test example.

    Raises:
        ImportError: without the extra `tagging`.
    """
    crfsuite, usaddress = require_baseline()
    features = usaddress.tokens2features if data == "addresses" else word_features
    model = crfsuite.CRF(algorithm="lbfgs", **_PENALTIES)
    model.fit([features(list(one.tokens)) for one in train], [list(one.tags) for one in train])
    found = model.predict([features(list(one.tokens)) for one in test])
    return [tuple(tags) for tags in found]


def word_features(tokens: Sequence[str]) -> list[dict[str, Any]]:
    """Features of each token and of its neighbours.

    Example:

    >>> from keras_attention.recipes.tagging_baseline import word_features
    >>> first, second = word_features(["In", "Paris"])
    >>> first["start"], second["-1:word"], second["title"]
    (True, 'in', True)
    """
    of_tokens = [
        {
            "word": token.lower(),
            "last three": token[-3:],
            "last two": token[-2:],
            "upper": token.isupper(),
            "title": token.istitle(),
            "digit": token.isdigit(),
        }
        for token in tokens
    ]
    beside = ("word", "title", "upper")
    found: list[dict[str, Any]] = []
    for position, own in enumerate(of_tokens):
        features: dict[str, Any] = {"bias": 1.0, **own}
        for shift in (-1, 1):
            if 0 <= position + shift < len(tokens):
                other = of_tokens[position + shift]
                features |= {f"{shift:+}:{name}": other[name] for name in beside}
        features |= {"start": position == 0, "end": position == len(tokens) - 1}
        found.append(features)
    return found
