"""Random inputs to try a model with: sources with padding, images, and target ids."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from keras_attention._core.types import Tensor
from keras_attention.generation.any_model.graph import is_functional, names_of, table_sizes
from keras_attention.generation.any_model.ports import SOURCE_LENGTH, Ports, example_shape
from keras_attention.text.special_ids import SpecialIds

# Where nothing is known about a table of embeddings.
_FEW = 8


def random_sources(model: object, ports: Ports, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Two examples of every source.

    Ids end in padding in the second example; features are normal, images (of
    rank 4) uniform in [0, 1].

    Args:
        model: the model.
        ports: its inputs.
        given: tensors or specifications of the sources of a model without a
            graph; those of a functional model are known.
    """
    random = np.random.RandomState(0)
    specs = names_of(model) if is_functional(model) else given
    return {name: _source(random, model, ports, specs[name]) for name in ports.sources}


def _source(random: np.random.RandomState, model: object, ports: Ports, spec: Tensor) -> Tensor:
    shape = example_shape(tuple(spec.shape), SOURCE_LENGTH)
    dtype = keras.backend.standardize_dtype(spec.dtype)
    limits = id_limits(model, spec)
    if dtype == "bool":
        x = np.ones(shape, dtype)
        x[-1, ..., -1:] = False
    elif "int" in dtype or (limits and len(shape) <= 2):
        x = random_ids(random, shape, min(limits or [_FEW]), ports.special_ids).astype(dtype)
        if len(shape) == 2 and shape[1] > 2:
            x[-1, -max(1, shape[1] // 3) :] = ports.special_ids.pad
    elif len(shape) == 4:
        x = random.uniform(size=shape).astype(dtype)
    else:
        x = random.normal(size=shape).astype(dtype)
    return keras.ops.convert_to_tensor(x)


def random_target(model: object, ports: Ports, size: int, length: int) -> Tensor:
    """Two targets `(2, length)`: the start, and ordinary ids below `size`."""
    limits = [size]
    if is_functional(model):
        limits += id_limits(model, names_of(model)[ports.target])
    else:
        limits += id_limits(model, None)
    ids = random_ids(np.random.RandomState(1), (2, length), min(limits), ports.special_ids)
    ids[:, 0] = ports.special_ids.start
    return keras.ops.convert_to_tensor(ids.astype("int32"))


def id_limits(model: object, spec: Tensor | None) -> list[int]:
    """The sizes of the tables that an input is an index of, or of all tables, as far as known."""
    if is_functional(model):
        found = table_sizes(model, spec)
        if found:
            return found
    if isinstance(model, keras.layers.Layer):
        return [w.shape[0] for w in model.weights if w.path.endswith("embeddings")]
    return []


def random_ids(
    random: np.random.RandomState, shape: tuple[int, ...], limit: int, special_ids: SpecialIds
) -> np.ndarray:
    """Ids below `limit` that are not special, as far as there are such."""
    ordinary = [i for i in range(limit) if i not in special_ids]
    if not ordinary:
        ordinary = [i for i in range(limit) if i != special_ids.pad] or [0]
    return random.choice(ordinary, size=shape)
