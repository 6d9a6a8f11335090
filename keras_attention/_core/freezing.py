"""Layers that are made of other layers, and frozen."""

from __future__ import annotations

from collections.abc import Iterable

import keras


def freeze_parts(layer: keras.layers.Layer, parts: Iterable[keras.layers.Layer | None]) -> None:
    """Freezes the layers `parts` if `layer` is frozen; to be called at the end of `build`.

    Keras hands on a change of `trainable` to sublayers, but a layer that is created frozen, or
    loaded so, has parts that are not. None stands for a part that is missing.

    Example:

    >>> import keras
    >>> from keras_attention._core.freezing import freeze_parts
    >>> part = keras.layers.Dense(2)
    >>> freeze_parts(keras.layers.Layer(trainable=False), [part, None])
    >>> part.trainable
    False
    """
    if layer.trainable:
        return
    for part in parts:
        if part is not None:
            part.trainable = False
