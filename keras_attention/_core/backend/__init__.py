"""The only package that knows which Keras backend runs."""

from keras_attention._core.backend.gathers import gather_rows, gather_within_rows, scatter_add
from keras_attention._core.backend.gradients import gradient, vjp
from keras_attention._core.backend.graphs import compiled
from keras_attention._core.backend.loops import open_sizes, scan, scan_while, without_arrays
from keras_attention._core.backend.replicas import (
    averaged_over_replicas,
    mean_over_replicas,
    share_of_replica,
)

__all__ = [
    "averaged_over_replicas",
    "compiled",
    "gather_rows",
    "gather_within_rows",
    "gradient",
    "mean_over_replicas",
    "open_sizes",
    "scan",
    "scan_while",
    "scatter_add",
    "share_of_replica",
    "vjp",
    "without_arrays",
]
