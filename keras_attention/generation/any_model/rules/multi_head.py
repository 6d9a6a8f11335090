"""`keras.layers.MultiHeadAttention` with keys and values that are projected once."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention._core.checks import score_dtype
from keras_attention._core.masks import combine_masks
from keras_attention._core.memory import Memory
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.graph import mask_of, set_mask
from keras_attention.generation.any_model.rules.base import Arguments
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

_LOWEST = -3e38
# The positions of the arguments of the call of MultiHeadAttention and GroupQueryAttention.
QUERY, VALUE, KEY, VALUE_MASK, KEY_MASK, MASK, SCORES, CAUSAL = 0, 1, 2, 4, 5, 6, 7, 9


class HeadsOverSource:
    """Attention over a source: keys and values are projected once. Beams are queries."""

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """The projected keys and values, and their mask."""
        memory = _projected(layer, arguments)
        allowed = arguments.get(MASK, "attention_mask")
        if allowed is not None and not isinstance(allowed, keras.KerasTensor):
            # It is the same for all queries.
            allowed = ops.cast(allowed, "bool")
            allowed = ops.reshape(allowed, (ops.shape(allowed)[0], -1))
            memory = memory._replace(mask=combine_masks(memory.mask, allowed))
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
        query, allowed = arguments.get(QUERY, "query"), arguments.get(MASK, "attention_mask")
        mask = _take_mask(layer, query)
        query, mask, allowed = (
            None if x is None else beams_as_positions(x, beams) for x in (query, mask, allowed)
        )
        asked = bool(arguments.get(SCORES, "return_attention_scores"))
        context, weights = _attend(layer, query, memory, mask, allowed, asked)
        context, weights = positions_as_beams(context, beams), heads_as_beams(weights, beams)
        shown = ops.mean(weights, axis=1)[:, 0]
        return [context, weights] if asked else [context], None, shown


class HeadsOverTarget:
    """Causal self-attention: projected keys and values of the positions so far are kept."""

    def start(
        self, layer: Any, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """A memory without a position."""
        config = layer.get_config()
        value, key = arguments.get(VALUE, "value"), arguments.get(KEY, "key")
        mask = None
        if _given_mask(arguments, value, key) is not None:
            mask = empty_buffer(batch, (), "bool")
        sizes = (config["key_dim"], config["value_dim"] or config["key_dim"])
        keys, values = (
            empty_buffer(batch, (layer.num_heads, n), layer.compute_dtype) for n in sizes
        )
        return None, Memory(keys, values, mask)

    def step(
        self,
        layer: Any,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """Attends with the last position to all so far."""
        query = arguments.get(QUERY, "query")
        query_mask = mask_of(query)
        one = _projected(layer, arguments)
        _take_mask(layer, query)
        mask = None
        if state.mask is not None:
            mask = appended_mask(state.mask, query, one.mask)
        after = Memory(appended(state.keys, one.keys), appended(state.values, one.values), mask)
        asked = bool(arguments.get(SCORES, "return_attention_scores"))
        so_far = Memory(*(None if x is None else positions_in(x) for x in after))
        context, weights = _attend(layer, query, so_far, query_mask, None, asked)
        return [context, weights] if asked else [context], after, None


def given_mask(arguments: Arguments, name: str, x: Tensor | None) -> Tensor | None:
    """The mask that was given for `value` or `key`, or that Keras passes along with it."""
    given = arguments.get({"value": VALUE_MASK, "key": KEY_MASK}[name], f"{name}_mask")
    return mask_of(x) if given is None else given


def _given_mask(arguments: Arguments, value: Tensor, key: Tensor | None) -> Tensor | None:
    masks = [given_mask(arguments, "value", value), given_mask(arguments, "key", key)]
    if any(isinstance(mask, keras.KerasTensor) for mask in masks):
        return next(mask for mask in masks if mask is not None)
    return combine_masks(*(None if mask is None else ops.cast(mask, "bool") for mask in masks))


def _projected(layer: Any, arguments: Arguments) -> Memory:
    """Keys `(B, S, heads, Dk)`, values `(B, S, heads, Dv)` and their mask `(B, S)`."""
    value, key = arguments.get(VALUE, "value"), arguments.get(KEY, "key")
    mask = _given_mask(arguments, value, key)
    for x in (value, key):
        if x is not None:
            _take_mask(layer, x)
    key = value if key is None else key
    return Memory(layer.key_dense(key), layer.value_dense(value), mask)


def _take_mask(layer: Any, x: Tensor) -> Tensor | None:
    """The mask of a tensor, removed from it as by the layer: later layers do not receive it."""
    mask = mask_of(x)
    if mask is not None and keras.backend.standardize_dtype(x.dtype) == layer.compute_dtype:
        set_mask(x, None)
    return mask


def _attend(
    layer: Any,
    query: Tensor,
    memory: Memory,
    query_mask: Tensor | None,
    allowed: Tensor | None,
    asked: bool,
) -> tuple[Tensor, Tensor]:
    """The contexts `(B, Tq, D)` and the weights `(B, heads, Tq, S)`."""
    config = layer.get_config()
    dtype = score_dtype(layer.compute_dtype)
    query = layer.query_dense(query) * (1.0 / config["key_dim"] ** 0.5)
    scores = ops.einsum("bqhd,bshd->bhqs", ops.cast(query, dtype), ops.cast(memory.keys, dtype))
    mask = combine_masks(
        None if query_mask is None else _expanded(query_mask, (1, 3)),
        None if memory.mask is None else _expanded(memory.mask, (1, 2)),
        None if allowed is None else _expanded(allowed, (1,)),
    )
    if mask is not None:
        scores = ops.where(mask, scores, _LOWEST)
    with of_any_length():
        weights = ops.softmax(scores, axis=-1)
    if mask is not None and (config["dropout"] > 0 or asked):
        # Where all is masked, Keras' two ways of computing differ: equal weights, or zeros.
        weights = ops.where(mask, weights, 0.0)
    weights = ops.cast(weights, layer.compute_dtype)
    context = ops.einsum("bhqs,bshd->bqhd", weights, memory.values)
    return layer.output_dense(context), weights


def _expanded(mask: Tensor, axes: tuple[int, ...]) -> Tensor:
    return ops.expand_dims(ops.cast(mask, "bool"), axes)
