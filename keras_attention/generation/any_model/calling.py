"""Calls a model on its sources and target, whatever structure its inputs have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
from keras import ops, tree

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.graph import is_functional, names_of
from keras_attention.generation.any_model.ports import Ports

# Probabilities below this have its logarithm.
_LEAST = 1e-30


def sources_by_name(inputs: Structure, names: tuple[str, ...]) -> dict[str, Structure]:
    """The sources among what `start` takes: a dictionary, a list in order, or the only one."""
    if isinstance(inputs, Mapping):
        if not set(names) <= set(inputs):
            raise ValueError(
                f"inputs: expected the sources {', '.join(map(repr, names))}, received "
                f"{', '.join(map(repr, inputs)) or 'nothing'}."
            )
        return {name: inputs[name] for name in names}
    if len(names) == 1:
        return {names[0]: inputs}
    if not isinstance(inputs, (list, tuple)) or len(inputs) != len(names):
        raise ValueError(
            f"inputs: expected the sources {', '.join(map(repr, names))}, as a dictionary or a "
            f"list, received {type(inputs).__name__}."
        )
    return dict(zip(names, inputs))


class Caller:
    """Calls a model by the names of its inputs; its outputs are flattened.

    A model without a graph is called with a dictionary or, if it refuses that,
    with the list of its sources and its target.

    Args:
        model: a Keras model, or a function.
        ports: its inputs and outputs.
    """

    def __init__(self, model: Callable[..., Structure], ports: Ports) -> None:
        self.model, self.ports = model, ports
        self._graph: keras.Model | None = model if is_functional(model) else None
        self._takes_list = False

    def __call__(self, sources: Mapping[str, Tensor], ids: Tensor) -> list[Tensor]:
        named = {**sources, self.ports.target: ids}
        if self._graph is not None:
            order = names_of(self._graph)
            if not isinstance(self._graph.input, dict):
                flat = [named[name] for name in order]
                return self._run(tree.pack_sequence_as(self._graph.input, flat))
            return self._run({name: named[name] for name in order})
        ordered = [*(sources[name] for name in self.ports.sources), ids]
        if self._takes_list:
            return self._run(ordered)
        try:
            return self._run(named)
        except Exception as error:
            try:
                outputs = self._run(ordered)
            except Exception:
                names = ", ".join(map(repr, named))
                raise ValueError(
                    f"model: expected a model that takes a dictionary with {names}, or a list of "
                    f"them in this order, received one that refuses both: "
                    f"{' '.join(str(error).split())[:200]}"
                ) from error
        self._takes_list = True
        return outputs

    def _run(self, inputs: Structure) -> list[Tensor]:
        if isinstance(self.model, keras.layers.Layer):
            found = self.model(inputs, training=False)
        else:
            found = self.model(inputs)
        if self._graph is None and isinstance(found, Mapping) and "logits" in found:
            found = [found["logits"]]
        return tree.flatten(found)


def logits_of(scores: Tensor, probabilities: bool) -> Tensor:
    """Logits, or the logarithm of probabilities, in at least float32."""
    if keras.backend.standardize_dtype(scores.dtype) != "float64":
        scores = ops.cast(scores, "float32")
    if not probabilities:
        return scores
    return ops.log(ops.maximum(scores, _LEAST))
