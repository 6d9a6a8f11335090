"""The best hypothesis of each example, by itself."""

from __future__ import annotations

from keras_attention.generation import Hypotheses


def first_of(found: Hypotheses) -> Hypotheses:
    """The first hypothesis of each example, without the axis of hypotheses."""
    return Hypotheses(*(part[:, 0] for part in found))
