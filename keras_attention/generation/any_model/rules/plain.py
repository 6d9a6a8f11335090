"""Layers and operations that compute each position by itself."""

from __future__ import annotations

import keras

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call
from keras_attention.generation.any_model.graph import mask_of, set_mask
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


class PlainDense(Plain):
    """`keras.layers.Dense` on one position, without the axis of positions.

    A product of matrices takes about ten operations less than one of a tensor of rank 3.
    """

    def step(
        self,
        layer: keras.Operation,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """The result of the layer, with the mask of its input."""
        inputs = arguments.get(0, "inputs")
        outputs = layer(inputs[:, 0])[:, None]
        set_mask(outputs, mask_of(inputs))
        return outputs, None, None


def dense_rule(call: Call) -> Plain:
    """The rule for a call of `keras.layers.Dense`; subclasses may do something else."""
    inputs = Arguments(call.args, call.kwargs).get(0, "inputs")
    is_plain = type(call.operation) is keras.layers.Dense and len(inputs.spec.shape) == 3
    return PlainDense() if is_plain and len(call.inputs) == 1 else Plain()
