"""Float64 that is float64."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def real_float64() -> Iterator[None]:
    """Inside, layers of dtype float64 compute in float64.

    On JAX and on torch, Keras falls back to float32 otherwise.
    """
    if keras.backend.backend() == "tensorflow":
        yield
        return
    from keras.src.backend.common import dtypes

    table = dtypes.BIT64_TO_BIT32_DTYPE
    before = table["float64"]
    table["float64"] = "float64"
    try:
        if keras.backend.backend() == "torch":
            yield
            return
        import jax

        with jax.enable_x64(True):
            yield
    finally:
        table["float64"] = before
