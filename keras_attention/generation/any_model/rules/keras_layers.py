"""Keras' attention layers, over the source and, causally, over the target."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call, Value
from keras_attention.generation.any_model.graph import mask_of, set_mask
from keras_attention.generation.any_model.rules.base import (
    Arguments,
    NoStepRuleError,
    NotCausalError,
    StepRule,
)
from keras_attention.generation.any_model.rules.growing import (
    appended,
    appended_mask,
    empty_buffer,
    of_any_length,
    positions_in,
)
from keras_attention.generation.any_model.rules.memories import (
    beams_as_positions,
    heads_as_beams,
    positions_as_beams,
)
from keras_attention.generation.any_model.rules.multi_head import (
    CAUSAL,
    KEY,
    MASK,
    QUERY,
    SCORES,
    VALUE,
    HeadsOverSource,
    HeadsOverTarget,
    given_mask,
)
from keras_attention.generation.any_model.rules.plain import Plain
from keras_attention.generation.any_model.rules.prefix import OnPrefix


def attention_rule(call: Call) -> StepRule:
    """The rule for a call of `keras.layers.Attention` or `AdditiveAttention`."""
    inputs = Arguments(call.args, call.kwargs).get(0, "inputs")
    causal = bool(Arguments(call.args, call.kwargs).get(4, "use_causal_mask"))
    masks = Arguments(call.args, call.kwargs).get(1, "mask") or []
    over_target = _over_target(call, *inputs)
    if over_target and not causal:
        raise _not_causal(call)
    if causal and (not over_target or any(isinstance(mask, Value) for mask in masks)):
        return OnPrefix(call)
    return SingleOverTarget(call) if over_target else SingleOverSource()


def heads_rule(call: Call) -> StepRule:
    """The rule for a call of `MultiHeadAttention` or `GroupQueryAttention`."""
    arguments = Arguments(call.args, call.kwargs)
    query, value, key = (
        arguments.get(i, n) for i, n in ((QUERY, "query"), (VALUE, "value"), (KEY, "key"))
    )
    causal, mask = arguments.get(CAUSAL, "use_causal_mask"), arguments.get(MASK, "attention_mask")
    config = call.operation.get_config()
    over_target = _over_target(call, query, value, *([] if key is None else [key]))
    if over_target and mask is not None:
        raise NoStepRuleError(
            f"model: expected self-attention with use_causal_mask=True and no attention_mask, "
            f"received layer {call.name!r} with an attention_mask."
        )
    if over_target and not causal:
        raise _not_causal(call)
    if causal and not over_target:
        return OnPrefix(call)
    if config.get("sliding_window") is not None:
        # Which positions are near depends on the position of the query.
        return OnPrefix(call)
    if isinstance(mask, Value) and not mask.moves and mask.spec.shape[-2] != 1:
        return OnPrefix(call)
    whole = type(call.operation) is keras.layers.MultiHeadAttention
    plain = not config.get("use_gate") and len(query.spec.shape) == len(value.spec.shape) == 3
    if whole and plain:
        return HeadsOverTarget() if over_target else HeadsOverSource()
    if len(query.spec.shape) != 3:
        return Plain()
    return LayerOverTarget(call) if over_target else LayerOverSource()


def _over_target(call: Call, query: Value, *others: Value) -> bool:
    moving = [one.moves for one in others]
    if not query.moves:
        raise NotCausalError(call.name, "which attends to the target as a whole")
    if any(moving) and not all(moving):
        raise NoStepRuleError(
            f"model: expected keys and values that both depend on the target, or that both do "
            f"not, received layer {call.name!r}."
        )
    return all(moving)


def _not_causal(call: Call) -> NotCausalError:
    return NotCausalError(
        call.name, "which attends to the whole target (use_causal_mask=True is causal)"
    )


class SingleOverSource:
    """`Attention` and `AdditiveAttention` over a source. Beams are queries of one example."""

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The values, the keys and their mask."""
        _, value, *key = arguments.get(0, "inputs")
        masks = _masks(arguments)
        memory = {"value": value} | ({"key": key[0]} if key else {})
        return memory | ({"mask": masks[1]} if masks[1] is not None else {}), None

    def step(
        self,
        layer: Any,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with one query of each sequence."""
        query = arguments.get(0, "inputs")[0]
        query_mask = _masks(arguments)[0]
        context, weights = _single(
            layer,
            beams_as_positions(query, beams),
            None if query_mask is None else beams_as_positions(query_mask, beams),
            memory,
        )
        context, weights = (positions_as_beams(x, beams) for x in (context, weights))
        asked = arguments.get(3, "return_attention_scores")
        return [context, weights] if asked else [context], None, weights[:, 0]


class SingleOverTarget:
    """`Attention` and `AdditiveAttention` over the target: the positions so far are kept.

    Args:
        call: the call of the layer.
    """

    def __init__(self, call: Call) -> None:
        inputs = Arguments(call.args, call.kwargs).get(0, "inputs")
        _check_sizes(call, inputs)

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """Buffers without a position."""
        _, value, *key = arguments.get(0, "inputs")
        state = {"value": empty_buffer(batch, value.shape[2:], value.dtype)}
        if key:
            state["key"] = empty_buffer(batch, key[0].shape[2:], key[0].dtype)
        if mask_of(value) is not None:
            state["mask"] = empty_buffer(batch, (), "bool")
        return None, state

    def step(
        self,
        layer: Any,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with the last position to all so far."""
        query, value, *key = arguments.get(0, "inputs")
        query_mask, mask, *_ = _masks(arguments)
        after = {"value": appended(state["value"], value)}
        if key:
            after["key"] = appended(state["key"], key[0])
        if "mask" in state:
            after["mask"] = appended_mask(state["mask"], value, mask)
        so_far = {name: positions_in(x) for name, x in after.items()}
        context, weights = _single(layer, query, query_mask, so_far)
        asked = arguments.get(3, "return_attention_scores")
        return [context, weights] if asked else [context], after, None


class LayerOverSource:
    """Subclasses of `MultiHeadAttention`, and `GroupQueryAttention`, over a source.

    The layer itself is called at each step, with the beams as queries of one example.
    """

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The values, the keys and their masks."""
        memory = {}
        for position, name in ((VALUE, "value"), (KEY, "key")):
            x = arguments.get(position, name)
            if x is not None:
                memory[name] = x
                mask = given_mask(arguments, name, x)
                memory |= {} if mask is None else {f"{name}_mask": mask}
        mask = arguments.get(MASK, "attention_mask")
        if mask is not None and not isinstance(mask, keras.KerasTensor):
            memory["attention_mask"] = mask
        return memory, None

    def step(
        self,
        layer: Any,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with one query of each sequence."""
        given = arguments.get(QUERY, "query")
        query = beams_as_positions(given, beams)
        options = dict(memory)
        mask = arguments.get(MASK, "attention_mask")
        if mask is not None:
            options["attention_mask"] = beams_as_positions(mask, beams)
        if mask_of(given) is not None:
            set_mask(query, beams_as_positions(mask_of(given), beams))
            options["query_mask"] = mask_of(query)
        asked = bool(arguments.get(SCORES, "return_attention_scores"))
        with of_any_length():
            found = layer(query, **options, return_attention_scores=asked)
        if not asked:
            return [positions_as_beams(found, beams)], None, None
        context, weights = found
        weights = heads_as_beams(weights, beams)
        shown = ops.mean(weights, axis=1)[:, 0]
        return [positions_as_beams(context, beams), weights], None, shown


class LayerOverTarget:
    """As `LayerOverSource`, causally over the target: the positions so far are kept.

    Args:
        call: the call of the layer.
    """

    def __init__(self, call: Call) -> None:
        _check_sizes(call, [value for value in call.inputs if value.moves])

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """Buffers without a position."""
        state = {}
        for position, name in ((VALUE, "value"), (KEY, "key")):
            x = arguments.get(position, name)
            if x is not None:
                state[name] = empty_buffer(batch, x.shape[2:], x.dtype)
                if given_mask(arguments, name, x) is not None:
                    state[f"{name}_mask"] = empty_buffer(batch, (), "bool")
        return None, state

    def step(
        self,
        layer: Any,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with the last position to all so far."""
        after = {}
        for position, name in ((VALUE, "value"), (KEY, "key")):
            x = arguments.get(position, name)
            if x is not None:
                after[name] = appended(state[name], x)
                if f"{name}_mask" in state:
                    mask = given_mask(arguments, name, x)
                    after[f"{name}_mask"] = appended_mask(state[f"{name}_mask"], x, mask)
        query = arguments.get(QUERY, "query")
        asked = bool(arguments.get(SCORES, "return_attention_scores"))
        options = {} if mask_of(query) is None else {"query_mask": mask_of(query)}
        so_far = {name: positions_in(x) for name, x in after.items()}
        with of_any_length():
            found = layer(query, **so_far, **options, return_attention_scores=asked)
        return list(found) if asked else [found], after, None


def _single(
    layer: Any, query: Tensor, query_mask: Tensor | None, memory: Structure
) -> tuple[Tensor, Tensor]:
    inputs = [query, memory["value"], *([memory["key"]] if "key" in memory else [])]
    masks = [query_mask, memory.get("mask")]
    with of_any_length():
        context, weights = layer(
            inputs,
            mask=None if all(mask is None for mask in masks) else masks,
            return_attention_scores=True,
        )
    return context, weights


def _masks(arguments: Arguments) -> list[Tensor | None]:
    """The masks of query and value, given or passed along by Keras."""
    given = arguments.get(1, "mask")
    if given is not None:
        return list(given)
    return [None if x is None else mask_of(x) for x in arguments.get(0, "inputs")]


def _check_sizes(call: Call, values: list[Value]) -> None:
    for value in values:
        if None in value.spec.shape[2:]:
            raise NoStepRuleError(
                f"model: expected known sizes of the inputs of layer {call.name!r} except batch "
                f"and length, received shape {tuple(value.spec.shape)}."
            )
