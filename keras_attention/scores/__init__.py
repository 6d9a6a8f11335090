"""Scores: how a query is compared with a key. One small class per score.

A score projects the keys once per sequence and the query once per step, and compares the two.
`compare` works in at least float32. Some scores depend on earlier steps.
"""

from keras_attention.scores.additive import Additive
from keras_attention.scores.base import Score
from keras_attention.scores.fixed import FixedContext
from keras_attention.scores.history import Coverage, CumulativeLocation, Location
from keras_attention.scores.mixture import GaussianMixture
from keras_attention.scores.multiplicative import Biaffine, Cosine, Dot, General, ScaledDot
from keras_attention.scores.registry import deserialize, get, serialize

__all__ = [
    "Additive",
    "Biaffine",
    "Cosine",
    "Coverage",
    "CumulativeLocation",
    "Dot",
    "FixedContext",
    "GaussianMixture",
    "General",
    "Location",
    "ScaledDot",
    "Score",
    "deserialize",
    "get",
    "serialize",
]
