"""One layer, run at each step on all positions so far."""

from __future__ import annotations

import keras
from keras import ops, tree

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call, Value
from keras_attention.generation.any_model.graph import mask_of, set_mask
from keras_attention.generation.any_model.rules.base import Arguments, NoStepRuleError
from keras_attention.generation.any_model.rules.growing import (
    appended,
    empty_buffer,
    of_any_length,
    positions_in,
)


class OnPrefix:
    """Runs a layer on a buffer of its inputs so far, and takes its last position.

    For layers whose result depends on the position, such as position
    embeddings, and for causal layers without a rule, such as convolutions. Only
    the inputs of this layer grow with every step. As in `Plain`, arguments that
    depend on the sources alone are given to `step`.

    Args:
        call: the call of the layer.
        reach: the number of positions that matter for one result, by default
            all of them.
    """

    def __init__(self, call: Call, reach: int | None = None) -> None:
        self._reach = reach
        self._values: list[object] = tree.flatten((call.args, call.kwargs))
        self._outputs = call.outputs
        seen = dict.fromkeys(value for value in call.inputs if value.has_time)
        self._buffered: list[Value] = list(seen)
        for value in self._buffered:
            if None in value.spec.shape[2:]:
                raise NoStepRuleError(
                    f"model: expected known sizes of the inputs of layer {call.name!r} except "
                    f"batch and length, received shape {tuple(value.spec.shape)}."
                )

    def start(
        self, layer: keras.Operation, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """Buffers without a position."""
        state = {}
        for i, value in enumerate(self._buffered):
            state[f"input_{i}"] = empty_buffer(batch, value.spec.shape[2:], value.spec.dtype)
            if value.masked:
                state[f"mask_{i}"] = empty_buffer(batch, (), "bool")
        return None, state

    def step(
        self,
        layer: keras.Operation,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """The last position of the results of the layer on its buffers."""
        flat = tree.flatten(tuple(arguments))
        found: dict[int, Tensor] = {}
        after = {}
        for i, value in enumerate(self._buffered):
            current = flat[self._values.index(value)]
            after[f"input_{i}"] = self._kept(state[f"input_{i}"], current)
            found[id(value)] = positions_in(after[f"input_{i}"])
            if value.masked:
                mask = mask_of(current)
                one = ops.ones(ops.shape(current)[:2], "bool") if mask is None else mask
                after[f"mask_{i}"] = self._kept(state[f"mask_{i}"], one)
                if mask is not None:
                    set_mask(found[id(value)], positions_in(after[f"mask_{i}"]))
        flat = [found.get(id(value), x) for value, x in zip(self._values, flat)]
        args, kwargs = tree.pack_sequence_as(tuple(arguments), flat)
        with of_any_length():
            outputs = tree.flatten(layer(*args, **kwargs))
        return [self._last(x, v) for x, v in zip(outputs, self._outputs)], after, None

    def _kept(self, buffer: Tensor, one: Tensor) -> Tensor:
        longer = appended(buffer, one)
        return longer if self._reach is None else longer[:, -self._reach - 1 :]

    @staticmethod
    def _last(x: Tensor, value: Value) -> Tensor:
        if not value.has_time:
            return x
        last, mask = x[:, -1:], mask_of(x)
        if mask is not None:
            set_mask(last, mask[:, -1:])
        return last
