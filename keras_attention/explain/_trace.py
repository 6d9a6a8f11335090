"""Runs a model once and records what its layers were given and what they returned."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_attention._core.memory import Memory
from keras_attention._core.types import Array, Structure, Tensor
from keras_attention.layers import Attention

_KERAS_ATTENTION = (
    keras.layers.Attention,
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: the layer.
        inputs: the tensors that it was given, masks among them, as arrays.
        outputs: the tensors that it returned.
    """

    layer: keras.layers.Layer
    inputs: list[Array]
    outputs: list[Array]

    @property
    def path(self) -> str:
        """The path of the layer."""
        return path_of(self.layer)


@dataclass
class Attended:
    """What an attention layer did in one run, its queries one after the other.

    Attributes:
        layer: the layer.
        weights: `(B, Tq, Tk)`, the mean over heads.
        values: `(B, Tk, D)`, or None for an attention of Keras.
        queries: `(B, Tq, D)`, or None likewise.
        query_mask: `(B, Tq)`, or None.
    """

    layer: keras.layers.Layer
    weights: Array
    values: Array | None = None
    queries: Array | None = None
    query_mask: Array | None = None


@dataclass
class Trace:
    """All calls of a run, in order, and its attention by layer.

    Attributes:
        calls: of every layer inside the model.
        attended: by the path of the layer.
        outputs: of the model.
    """

    calls: list[Call] = field(default_factory=list)
    attended: dict[str, Attended] = field(default_factory=dict)
    outputs: list[Array] = field(default_factory=list)

    def by_path(self) -> dict[str, list[Call]]:
        """The calls of each layer."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            found[call.path].append(call)
        return found


def array(tensor: Tensor) -> Array:
    """A tensor as an array, floats in float32 at least."""
    tensor = ops.convert_to_tensor(tensor)
    if keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16"):
        tensor = ops.cast(tensor, "float32")
    return np.asarray(ops.convert_to_numpy(tensor))


def arrays(structure: Structure) -> list[Array]:
    """All tensors of a structure as arrays."""
    leaves = tree.flatten(structure)
    return [
        array(leaf)
        for leaf in leaves
        if keras.ops.is_tensor(leaf) or isinstance(leaf, (np.ndarray, keras.Variable))
    ]


def path_of(layer: keras.layers.Layer) -> str:
    """The path of a layer; its name where it has no weights and so was never built."""
    return layer.path or layer.name


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers inside a model, each once."""
    return [layer for layer in model._flatten_layers() if layer is not model]


def run(model: keras.Model, inputs: Structure) -> Trace:
    """Calls a model eagerly, not in training, and records its layers."""
    trace = Trace()
    with contextlib.ExitStack() as stack:
        for layer in layers_of(model):
            stack.enter_context(watched(layer, "call", _recorded_call(layer, trace)))
            if isinstance(layer, Attention):
                stack.enter_context(watched(layer, "_attend", _recorded_attention(layer, trace)))
        trace.outputs = arrays(model(inputs, training=False))
    return trace


@contextlib.contextmanager
def watched(
    layer: keras.layers.Layer,
    name: str,
    around: Callable[[Callable[..., Structure]], Callable[..., Structure]],
) -> Iterator[None]:
    """Inside, a method of this one layer is another."""
    own = vars(layer).get(name)
    # Not setattr, by which Keras tracks what belongs to a layer.
    object.__setattr__(layer, name, around(getattr(layer, name)))
    try:
        yield
    finally:
        if own is None:
            object.__delattr__(layer, name)
        else:
            object.__setattr__(layer, name, own)


def _recorded_call(
    layer: keras.layers.Layer, trace: Trace
) -> Callable[[Callable[..., Structure]], Callable[..., Structure]]:
    def around(method: Callable[..., Structure]) -> Callable[..., Structure]:
        def call(*args: Structure, **kwargs: Structure) -> Structure:
            if isinstance(layer, _KERAS_ATTENTION):
                outputs = _call_of_keras(layer, method, args, kwargs, trace)
            else:
                outputs = method(*args, **kwargs)
            trace.calls.append(Call(layer, arrays((args, kwargs)), arrays(outputs)))
            return outputs

        return call

    return around


def _call_of_keras(
    layer: keras.layers.Layer,
    method: Callable[..., Structure],
    args: tuple[Structure, ...],
    kwargs: dict[str, Structure],
    trace: Trace,
) -> Structure:
    asked = kwargs.pop("return_attention_scores", False)
    context, weights = method(*args, **kwargs, return_attention_scores=True)
    found = array(weights)
    found = found.mean(1) if found.ndim == 4 else found
    trace.attended.setdefault(path_of(layer), Attended(layer, found))
    return (context, weights) if asked else context


def _recorded_attention(
    layer: Attention, trace: Trace
) -> Callable[[Callable[..., Structure]], Callable[..., Structure]]:
    def around(method: Callable[..., Structure]) -> Callable[..., Structure]:
        def attend(
            query: Tensor, memory: Memory, state: Structure, query_mask: Tensor | None, *rest: Any
        ) -> Structure:
            context, weights, after = method(query, memory, state, query_mask, *rest)
            found = array(weights)
            found = found.mean(1) if found.ndim == 4 else found
            values = array(memory.values)
            values = values.mean(1) if values.ndim == 4 else values
            mask = None if query_mask is None else array(query_mask)
            now = Attended(layer, found, values, array(query), mask)
            trace.attended[path_of(layer)] = _joined(trace.attended.get(path_of(layer)), now)
            return context, weights, after

        return attend

    return around


def _joined(before: Attended | None, now: Attended) -> Attended:
    """Steps of a recurrence one after the other; a second call with other keys is not kept."""
    if before is None:
        return now
    if before.weights.shape[::2] != now.weights.shape[::2] or now.weights.shape[1] != 1:
        return before

    def join(one: Array | None, other: Array | None) -> Array | None:
        return None if one is None or other is None else np.concatenate([one, other], axis=1)

    mask = join(before.query_mask, now.query_mask)
    weights = np.concatenate([before.weights, now.weights], axis=1)
    return Attended(now.layer, weights, before.values, join(before.queries, now.queries), mask)
