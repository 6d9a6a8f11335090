"""Any causal model as a decoder: its prefix is run again at every step."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops, tree

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.calling import Caller, logits_of, sources_by_name
from keras_attention.generation.any_model.graph import (
    is_functional,
    names_of,
    numbers_of_source_ids,
    outputs_of,
)
from keras_attention.generation.any_model.ports import Ports
from keras_attention.generation.any_model.rules.growing import appended, empty_buffer, positions_in
from keras_attention.text.known_ids import known_ids
from keras_attention.text.special_ids import SpecialIds


class PrefixDecoder:
    """A `Decoder` that runs a whole model on all ids so far, and takes the last position.

    Right for every causal model, and slow: a sequence of T tokens takes T calls
    of the model. The ids of the state grow with every step, unless the target
    has a fixed length: then they fill a buffer of that length, and after it the
    only token is the end.

    Args:
        model: a Keras model, or a function of its inputs.
        ports: its inputs and outputs.
    """

    constant_parts: tuple[str, ...] = ("memory",)

    def __init__(self, model: keras.Model | Callable[..., Structure], ports: Ports) -> None:
        self.model, self.ports = model, ports
        self.call = Caller(model, ports)
        self._dtypes: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._length: int | None = None
        self._of_heads = False
        if is_functional(model):
            inputs = names_of(model)
            self._length = inputs[ports.target].shape[1]
            self._dtypes = {name: inputs[name].dtype for name in ports.sources}
            self._sizes = numbers_of_source_ids(model, ports.sources)
            if ports.weights is not None:
                shape = tree.flatten(outputs_of(model))[ports.weights].shape
                # (B, heads, T, S); maps are (B, T, H, W).
                self._of_heads = len(shape) == 4 and shape[1] != self._length

    @property
    def special_ids(self) -> SpecialIds:
        """The ids of padding, start, end and unknown tokens of the target."""
        return self.ports.special_ids

    def start(self, inputs: Structure) -> dict[str, Structure]:
        """The state before the first token: the sources, and no ids yet."""
        sources = {
            name: self._source(name, x)
            for name, x in sources_by_name(inputs, self.ports.sources).items()
        }
        batch = ops.shape(next(iter(sources.values())))[0]
        state: dict[str, Structure] = {"ids": empty_buffer(batch, (), "int32")}
        if self._length:
            ids = ops.full((batch, self._length), self.special_ids.pad, dtype="int32")
            state = {"ids": ids, "position": ops.zeros((batch,), dtype="int32")}
        return {"memory": sources, "decoder": state}

    def step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[Tensor, dict[str, Structure], Tensor | None]:
        """One step; see `Decoder.step`."""
        memory, before = state["memory"], state["decoder"]
        if beams > 1:
            memory = self._repeated(memory, ops.shape(tokens)[0], beams)
        column = ops.expand_dims(ops.cast(tokens, "int32"), 1)
        if self._length is None:
            after = {"ids": appended(before["ids"], column)}
            ids = positions_in(after["ids"])
        else:
            position = before["position"]
            now = ops.equal(ops.arange(self._length), ops.expand_dims(position, 1))
            after = {"ids": ops.where(now, column, before["ids"]), "position": position + 1}
            ids = after["ids"]
        outputs = self.call(memory, ids)
        scores = self._at_last(outputs[self.ports.logits], before)
        logits = logits_of(scores, self.ports.probabilities)
        if self._length is not None:
            is_end = ops.equal(ops.arange(logits.shape[-1]), self.special_ids.end)
            over = ops.expand_dims(before["position"] >= self._length, 1)
            logits = ops.where(ops.logical_and(over, ops.logical_not(is_end)), IMPOSSIBLE, logits)
        weights = None
        if self.ports.weights is not None:
            weights = self._weights(outputs[self.ports.weights], before)
        return logits, {"memory": state["memory"], "decoder": after}, weights

    def spread(
        self, constant: dict[str, Structure], batch: int | Tensor, beams: int
    ) -> tuple[dict[str, Structure], int]:
        """The sources repeated for the beams, once; see `spread` of the decoders."""
        if beams == 1:
            return constant, 1
        return self._repeated(constant, batch * beams, beams), 1

    def source_mask(self, inputs: Structure) -> Tensor | None:
        """The real positions `(B, S)` of the only source, if it holds ids; else None."""
        sources = sources_by_name(inputs, self.ports.sources)
        if len(sources) != 1:
            return None
        ((name, x),) = sources.items()
        x = self._source(name, x)
        if len(x.shape) != 2 or "int" not in keras.backend.standardize_dtype(x.dtype):
            return None
        return ops.not_equal(x, self.special_ids.pad)

    def _source(self, name: str, x: Tensor) -> Tensor:
        """A source as a tensor; ids that its embedding does not have are unknown."""
        x = ops.convert_to_tensor(x, dtype=self._dtypes.get(name))
        return known_ids(x, self._sizes.get(name), self.special_ids)

    @staticmethod
    def _repeated(structure: Structure, count: int | Tensor, beams: int) -> Structure:
        rows = ops.arange(count) // beams
        return map_tensors(lambda x: gather_rows(x, rows), structure)

    def _at_last(self, x: Tensor, before: dict[str, Tensor], axis: int = 1) -> Tensor:
        """`x` at the position of the last token, on the axis of the target's positions."""
        if self._length is None:
            return x[:, -1] if axis == 1 else x[:, :, -1]
        now = ops.minimum(before["position"], self._length - 1)
        shape = [1] * len(x.shape)
        shape[0] = -1
        index = ops.reshape(now, shape)
        return ops.squeeze(ops.take_along_axis(x, index, axis=axis), axis)

    def _weights(self, weights: Tensor, before: dict[str, Tensor]) -> Tensor:
        if len(weights.shape) == 3:
            return self._at_last(weights, before)
        if self._of_heads:
            return ops.mean(self._at_last(weights, before, axis=2), axis=1)
        # Maps, flattened as the memory of a feature map is.
        last = self._at_last(weights, before)
        return ops.reshape(last, (ops.shape(last)[0], -1))
