"""Figures of models that were trained with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_attention._core.types import Config


def summary_of(runs: Sequence[Mapping[str, float]]) -> Config:
    """Of each figure of several runs the mean, the spread (largest less smallest) and all of them.

    Example:

    >>> from keras_attention.recipes.seeds import summary_of
    >>> summary_of([{"accuracy": 77.0}, {"accuracy": 78.0}])
    {'accuracy': {'mean': 77.5, 'spread': 1.0, 'runs': [77.0, 78.0]}}
    """
    summary = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        summary[name] = {
            "mean": round(float(np.mean(values)), 4),
            "spread": round(max(values) - min(values), 4),
            "runs": values,
        }
    return summary
