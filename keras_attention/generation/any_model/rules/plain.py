"""Layers and operations that compute each position by itself."""

from __future__ import annotations

import keras

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.rules.base import Arguments


class Plain:
    """Calls the layer on one position, as a sequence of length 1.

    Its arguments that depend on the sources alone are not None in `step`, but
    tensors of `B * beams` examples.
    """

    def start(
        self, layer: keras.Operation, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """Nothing."""
        return None, None

    def step(
        self,
        layer: keras.Operation,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """The results of the layer."""
        return layer(*arguments.args, **arguments.kwargs), None, None
