"""Sinusoidal positions."""

from __future__ import annotations

import math

from keras import ops

from keras_attention._core.types import Tensor


def sinusoids(positions: Tensor, size: int) -> Tensor:
    """The waves `(T, size)` of positions `(T,)`: first all sines, then all cosines, in float32.

        sin(p / 10000^(2i / size)), cos(p / 10000^(2i / size))    for i below size / 2

    Source: Vaswani et al., "Attention Is All You Need", 2017.
    """
    half = size // 2
    rates = ops.exp(ops.arange(half, dtype="float32") * (-math.log(10000.0) / half))
    angles = ops.expand_dims(ops.cast(positions, "float32"), 1) * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
