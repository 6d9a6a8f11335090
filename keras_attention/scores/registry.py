"""The scores by name."""

import keras

from keras_attention.scores.additive import Additive
from keras_attention.scores.base import Score
from keras_attention.scores.history import Coverage, CumulativeLocation, Location
from keras_attention.scores.multiplicative import Biaffine, Cosine, Dot, General, ScaledDot

NAMES = {
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
}


def get(score, **kwargs):
    """The score named `score`, or `score` itself where it is one already.

    Args:
        score: a name (`"dot"`, `"scaled_dot"`, `"general"`, `"biaffine"`,
            `"concat"`, also called `"additive"`, `"cosine"`, `"location"`,
            `"cumulative_location"`, `"coverage"`), a `Score`, or the config of
            one.
        **kwargs: for the constructor, where a name is given.

    Raises:
        ValueError: where there is no such score.

    Example:

    >>> from keras_attention import scores
    >>> type(scores.get("concat", units=8)).__name__
    'Additive'
    """
    if isinstance(score, dict):
        score = keras.saving.deserialize_keras_object(score)
    if isinstance(score, Score):
        return score
    if isinstance(score, str) and score in NAMES:
        return NAMES[score](**kwargs)
    raise ValueError(
        f"score: expected one of {', '.join(map(repr, NAMES))} or a "
        f"keras_attention.scores.Score, received {score!r}."
    )
