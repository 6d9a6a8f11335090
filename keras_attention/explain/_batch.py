"""A batch as `fit` takes it: its inputs of ids, which of them is the target, its padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_attention._core.types import Array, Structure
from keras_attention.explain._trace import layers_of
from keras_attention.generation import Decoder
from keras_attention.generation.any_model.graph import is_functional, names_of
from keras_attention.text import SpecialIds


@dataclass(frozen=True)
class Ids:
    """An input of ids.

    Attributes:
        name: of the input.
        leaf: its number among the tensors of the inputs.
        values: `(B, L)`.
        more: by how much it is padded; no two inputs by the same.
        pads: whether the pad id is padding in it.
    """

    name: str
    leaf: int
    values: Array
    more: int
    pads: bool

    @property
    def length(self) -> int:
        """The number of positions without extra padding."""
        return self.values.shape[1]


class Batch:
    """What a model is diagnosed with.

    Args:
        model: the model.
        batch: its inputs, or a tuple of inputs, targets and possibly weights.

    Attributes:
        inputs: as the model takes them.
        labels: the targets as an array, or None.
        special: the special ids of the model, or the usual ones.
        ids: the inputs of ids.
        target: the one of them that a decoder reads, or None.
    """

    def __init__(self, model: keras.Model, batch: Structure) -> None:
        self.model = model
        inputs, labels = batch, None
        if isinstance(batch, tuple):
            inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        self.inputs = inputs
        self.given_labels = labels
        self.labels = np.asarray(labels) if _is_one(labels) else None
        self.special = model.special_ids if isinstance(model, Decoder) else SpecialIds()
        self._leaves = [np.asarray(leaf) for leaf in tree.flatten(inputs)]
        if not self._leaves:
            raise ValueError("batch: expected the inputs of the model, received nothing.")
        self.size = len(self._leaves[0])
        self.ids = self._found_ids()
        self.target = self._found_target()

    def _found_ids(self) -> list[Ids]:
        names = self._names()
        found: list[Ids] = []
        for number, (name, leaf) in enumerate(zip(names, self._leaves)):
            if leaf.ndim == 2 and leaf.dtype.kind in "iu":
                at_end = bool((leaf[:, -1] == self.special.pad).any())
                pads = at_end or isinstance(self.model, Decoder) or self._masks_zero()
                found.append(Ids(name, number, leaf, 3 + 2 * len(found), pads))
        return found

    def _names(self) -> list[str]:
        if isinstance(self.inputs, Mapping):
            # As tree.flatten orders them.
            return sorted(self.inputs)
        if is_functional(self.model) and len(names_of(self.model)) == len(self._leaves):
            return list(names_of(self.model))
        return [f"input {number}" for number in range(len(self._leaves))]

    def _masks_zero(self) -> bool:
        embeddings = (x for x in layers_of(self.model) if isinstance(x, keras.layers.Embedding))
        return self.special.pad == 0 and any(layer.mask_zero for layer in embeddings)

    def _found_target(self) -> Ids | None:
        if len(self._leaves) < 2 or self.labels is None:
            return None
        fitting = [one for one in self.ids if one.values.shape == self.labels.shape[:2]]
        usual = [
            one for one in fitting if any(w in one.name for w in ("target", "decoder", "dec_"))
        ]
        chosen = usual or fitting
        return chosen[-1] if chosen else None

    def with_ids(self, changed: Mapping[int, Array]) -> Structure:
        """The inputs with other ids, by the numbers of their leaves."""
        leaves = [changed.get(number, leaf) for number, leaf in enumerate(self._leaves)]
        return tree.pack_sequence_as(self.inputs, leaves)

    def padded(self) -> Structure:
        """The inputs with more padding at the end of every input of ids."""

        def longer(one: Ids) -> Array:
            more = ((0, 0), (0, one.more))
            return np.pad(one.values, more, constant_values=self.special.pad)

        return self.with_ids({one.leaf: longer(one) for one in self.ids})

    def real(self, ids: Ids) -> Array:
        """`(B, L)`, True where an input is not padding."""
        return ids.values != self.special.pad

    def of_length(self, before: int, after: int) -> Ids | None:
        """The input along whose positions a tensor had one size, and another with more padding."""
        return next((x for x in self.ids if (before, after) == (x.length, x.length + x.more)), None)

    def aligned(self, one: Array, padded: Array) -> tuple[Array, Array] | None:
        """Two tensors at the real positions of both, zero elsewhere; None where shapes differ."""
        if one.ndim != padded.ndim or one.shape[:1] != padded.shape[:1]:
            return None
        kept = np.ones(one.shape, bool)
        for axis in range(1, one.ndim):
            if one.shape[axis] == padded.shape[axis]:
                continue
            ids = self.of_length(one.shape[axis], padded.shape[axis])
            if ids is None:
                return None
            padded = np.take(padded, np.arange(ids.length), axis=axis)
            if len(one) == self.size:
                shape = [self.size] + [1] * (one.ndim - 1)
                shape[axis] = ids.length
                kept &= self.real(ids).reshape(shape)
        return np.where(kept, one, 0), np.where(kept, padded, 0)


def _is_one(labels: Any) -> bool:
    return labels is not None and not isinstance(labels, (Mapping, list, tuple))
