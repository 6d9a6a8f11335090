"""The only package that knows which Keras backend runs."""

from keras_attention._core.backend.derivatives import differentiate, differentiate_twice
from keras_attention._core.backend.gathers import gather_rows, gather_within_rows, scatter_add
from keras_attention._core.backend.gradients import gradient, vjp
from keras_attention._core.backend.graphs import compiled, compiled_by_xla, with_unknown_sizes
from keras_attention._core.backend.loops import open_sizes, scan, scan_while, without_arrays
from keras_attention._core.backend.precision import real_float64
from keras_attention._core.backend.replicas import (
    averaged_over_replicas,
    mean_over_replicas,
    share_of_replica,
)

__all__ = [
    "averaged_over_replicas",
    "compiled",
    "compiled_by_xla",
    "differentiate",
    "differentiate_twice",
    "gather_rows",
    "gather_within_rows",
    "gradient",
    "mean_over_replicas",
    "open_sizes",
    "real_float64",
    "scan",
    "scan_while",
    "scatter_add",
    "share_of_replica",
    "vjp",
    "with_unknown_sizes",
    "without_arrays",
]
