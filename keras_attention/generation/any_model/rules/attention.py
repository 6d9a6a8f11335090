"""Our attention layers, over the source and, causally, over the target."""

from __future__ import annotations

from keras import ops, tree

from keras_attention import normalizers, scores, windows
from keras_attention._core.masks import combine_masks
from keras_attention._core.memory import Memory
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call
from keras_attention.generation.any_model.graph import mask_of
from keras_attention.generation.any_model.rules.base import (
    Arguments,
    NoStepRuleError,
    NotCausalError,
    StepRule,
)
from keras_attention.generation.any_model.rules.growing import appended, growing, positions_in
from keras_attention.generation.any_model.rules.memories import (
    as_map,
    beams_as_positions,
    heads_as_beams,
    positions_as_beams,
    positions_of,
    repeated,
)
from keras_attention.generation.any_model.rules.prefix import OnPrefix
from keras_attention.layers.attention import Attention


def attention_rule(call: Call) -> StepRule:
    """The rule for a call of `Attention` or a subclass."""
    arguments = Arguments(call.args, call.kwargs)
    query, value, key = (arguments.get(i, n) for i, n in enumerate(("query", "value", "key")))
    causal, mask = arguments.get(6, "use_causal_mask"), arguments.get(9, "attention_mask")
    if not query.moves:
        raise NotCausalError(call.name, "which attends to the target as a whole")
    moving = value.moves, value.moves if key is None else key.moves
    if any(moving):
        if not all(moving) or mask is not None:
            raise NoStepRuleError(
                f"model: expected self-attention with use_causal_mask=True and no attention_mask, "
                f"or attention over a source, received layer {call.name!r} with other arguments."
            )
        if not causal:
            raise NotCausalError(
                call.name, "which attends to the whole target (use_causal_mask=True is causal)"
            )
        return OverTarget() if _is_stateless(call.operation) else OnPrefix(call)
    if causal or (mask is not None and not mask.moves):
        # What a query may attend to depends on its position.
        return OnPrefix(call)
    return OverSource(call)


class OverSource:
    """Attention over a memory that is projected once. Beams are queries of one example.

    Args:
        call: the call of the layer.
    """

    def __init__(self, call: Call) -> None:
        arguments = Arguments(call.args, call.kwargs)
        (self._positions,) = positions_of(arguments.get(1, "value"))
        self._single = not arguments.get(0, "query").has_time

    def start(
        self, layer: Attention, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The memory, and the state of score, normalizer and window."""
        value, key = arguments.get(1, "value"), arguments.get(2, "key")
        masks = (_mask(arguments, 4, "value", value), _mask(arguments, 8, "key", key))
        mask = combine_masks(*(None if m is None else ops.cast(m, "bool") for m in masks))
        memory = layer.memory(value, key, mask)
        state = layer.initial_state(memory)
        return memory, state if tree.flatten(state) else None

    def step(
        self,
        layer: Attention,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with one query of each sequence."""
        query, allowed = arguments.get(0, "query"), arguments.get(9, "attention_mask")
        mask = _mask(arguments, 3, "query", query)
        if self._single:
            query = ops.expand_dims(query, 1)
            mask = None if mask is None else ops.reshape(mask, (-1, 1))
            allowed = None if allowed is None else ops.expand_dims(allowed, 1)
        if allowed is not None:
            allowed = ops.cast(allowed, "bool")
            allowed = ops.reshape(allowed, (*ops.shape(query)[:2], -1))
        shared = beams
        if state is not None and beams > 1:
            # Each beam has a state of its own, and so its own memory.
            memory, shared = repeated(memory, beams), 1
        query, mask, allowed = (
            None if x is None else beams_as_positions(x, shared) for x in (query, mask, allowed)
        )
        context, weights, after = layer.attend(
            query, memory, state, query_mask=mask, attention_mask=allowed
        )
        context = positions_as_beams(context, shared)
        heads = len(weights.shape) == 4
        weights = heads_as_beams(weights, shared) if heads else positions_as_beams(weights, shared)
        shown = ops.mean(weights, axis=1)[:, 0] if heads else weights[:, 0]
        if self._single:
            context, weights = ops.squeeze(context, 1), ops.squeeze(weights, -2)
        outputs = [context]
        if arguments.get(5, "return_attention_scores"):
            outputs.append(as_map(weights, self._positions))
        return outputs, None if state is None else after, shown


class OverTarget:
    """Causal self-attention: projected keys and values of the positions so far are kept."""

    def start(
        self, layer: Attention, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """A memory without a position yet."""
        value, key = arguments.get(1, "value"), arguments.get(2, "key")
        one = ops.zeros((batch, 1, value.shape[-1]), dtype=layer.compute_dtype)
        other = None if key is None else ops.zeros((batch, 1, key.shape[-1]), layer.compute_dtype)
        mask = None
        if mask_of(value) is not None or arguments.get(4, "value_mask") is not None:
            mask = ops.ones((batch, 1), dtype="bool")
        memory = layer.memory(one, other, mask)
        axis = len(memory.keys.shape) - 2
        return None, Memory(
            growing(memory.keys, axis),
            growing(memory.values, axis),
            None if mask is None else growing(mask),
        )

    def step(
        self,
        layer: Attention,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with the last position to all so far."""
        query, value, key = (arguments.get(i, n) for i, n in enumerate(("query", "value", "key")))
        masks = (_mask(arguments, 4, "value", value), _mask(arguments, 8, "key", key))
        mask = combine_masks(*(None if m is None else ops.cast(m, "bool") for m in masks))
        if mask is None and state.mask is not None:
            mask = ops.ones(ops.shape(value)[:2], dtype="bool")
        one = layer.memory(value, key, mask)
        axis = len(one.keys.shape) - 2
        after = Memory(
            appended(state.keys, one.keys, axis),
            appended(state.values, one.values, axis),
            None if state.mask is None else appended(state.mask, mask),
        )
        query_mask = _mask(arguments, 3, "query", query)
        so_far = Memory(
            positions_in(after.keys, axis),
            positions_in(after.values, axis),
            None if after.mask is None else positions_in(after.mask),
        )
        context, weights, _ = layer.attend(query, so_far, None, query_mask=query_mask)
        outputs = [context]
        if arguments.get(5, "return_attention_scores"):
            outputs.append(weights)
        return outputs, after, None


def _is_stateless(layer: Attention) -> bool:
    parts = (
        (layer.score, scores.Score),
        (layer.normalizer, normalizers.Normalizer),
        (layer.window, windows.Window),
    )
    return all(
        part is None or type(part).initial_state is base.initial_state for part, base in parts
    )


def _mask(arguments: Arguments, position: int, name: str, x: Tensor | None) -> Tensor | None:
    """The mask that was given for an argument, or that Keras passes along with it."""
    given = arguments.get(position, f"{name}_mask")
    if given is not None:
        return given
    return None if x is None else mask_of(x)
