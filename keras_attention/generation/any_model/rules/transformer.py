"""Blocks of a Transformer decoder, by `step`."""

from __future__ import annotations

from keras import ops

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call
from keras_attention.generation.any_model.graph import mask_of
from keras_attention.generation.any_model.rules.base import Arguments, NotCausalError
from keras_attention.layers.decoder_block import TransformerDecoderBlock


def block_rule(call: Call) -> BlockStep:
    """The rule for a call of `TransformerDecoderBlock`."""
    arguments = Arguments(call.args, call.kwargs)
    sequence, value = arguments.get(0, "sequence"), arguments.get(1, "value")
    if value.moves or not sequence.moves:
        raise NotCausalError(call.name, "which attends to the target as a whole")
    return BlockStep()


class BlockStep:
    """`TransformerDecoderBlock`: keys and values of the positions so far are kept.

    Every position counts as a real one: padding comes last, and nothing after it matters.
    """

    def start(
        self, layer: TransformerDecoderBlock, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The projected source, and a state without a position."""
        value, mask = arguments.get(1, "value"), arguments.get(3, "value_mask")
        memory = layer.memory(value, mask_of(value) if mask is None else mask)
        return memory, layer.initial_state(memory)

    def step(
        self,
        layer: TransformerDecoderBlock,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """One step of the block."""
        inputs = arguments.get(0, "sequence")[:, 0]
        found, weights, after = layer.step(inputs, memory, state, beams=beams)
        outputs = [ops.expand_dims(found, 1)]
        if arguments.get(4, "return_attention_scores"):
            outputs.append(ops.expand_dims(weights, 1))
        return outputs, after, weights
