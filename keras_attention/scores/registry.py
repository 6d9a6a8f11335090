"""The scores by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from keras_attention._core.registry import Registry
from keras_attention._core.types import Config
from keras_attention.scores.additive import Additive
from keras_attention.scores.base import Score
from keras_attention.scores.history import Coverage, CumulativeLocation, Location
from keras_attention.scores.mixture import GaussianMixture
from keras_attention.scores.multiplicative import Biaffine, Cosine, Dot, General, ScaledDot

# What an argument `score` may be.
ScoreIdentifier: TypeAlias = "str | type[Score] | Score | Config"

NAMES: dict[str, type[Score]] = {
    "dot": Dot,
    "scaled_dot": ScaledDot,
    "general": General,
    "biaffine": Biaffine,
    "concat": Additive,
    "additive": Additive,
    "cosine": Cosine,
    "location": Location,
    "cumulative_location": CumulativeLocation,
    "coverage": Coverage,
    "gmm": GaussianMixture,
}

_REGISTRY = Registry("score", Score, NAMES, " or a keras_attention.scores.Score")


def get(score: ScoreIdentifier, **kwargs: object) -> Score:
    """The score that `score` names or describes; a `Score` is returned as it is.

    Args:
        score: a name (`"dot"`, `"scaled_dot"`, `"general"`, `"biaffine"`,
            `"concat"`, also called `"additive"`, `"cosine"`, `"location"`,
            `"cumulative_location"`, `"coverage"`, `"gmm"`), a subclass of
            `Score`, a `Score`, or the config of one.
        **kwargs: for the constructor, if a name or a class is given.

    Raises:
        ValueError: if there is no such score.

    Example:

    >>> from keras_attention import scores
    >>> type(scores.get("concat", units=8)).__name__
    'Additive'
    """
    return _REGISTRY.make(score, **kwargs)


def serialize(score: Score) -> Config:
    """The config of a score, which JSON can hold.

    Example:

    >>> from keras_attention import scores
    >>> scores.serialize(scores.Dot())["class_name"]
    'Dot'
    """
    return _REGISTRY.serialize(score)


def deserialize(config: Config, custom_objects: Mapping[str, object] | None = None) -> Score:
    """A score from its config.

    Args:
        config: what `serialize` returned, or a name.
        custom_objects: name -> class, for classes that are not registered with
            Keras.

    Raises:
        ValueError: if the config is not that of a score.

    Example:

    >>> from keras_attention import scores
    >>> scores.deserialize(scores.serialize(scores.General(units=8))).units
    8
    """
    return _REGISTRY.deserialize(config, custom_objects)
