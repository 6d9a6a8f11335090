"""The graphs in which `generate` decodes, kept for the next call."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

import keras
from keras import tree

from keras_attention._core.backend.graphs import compiled
from keras_attention._core.types import Structure
from keras_attention.generation.decoder import Search
from keras_attention.generation.sampling import Sample
from keras_attention.generation.settings import SearchSettings

# From the inputs of a search, by name, to hypotheses.
Decode: TypeAlias = Callable[[dict[str, Structure]], Structure]
# By search, shapes and variables; None for what cannot be traced.
Graphs: TypeAlias = "dict[Hashable, Decode | None]"

# Of each model, the last ones are kept.
_GRAPHS_PER_MODEL = 8
_graphs: dict[int, tuple[weakref.ref[Any], Graphs]] = {}


def in_graph(model: object, search: Search, decode: Decode, specs: Structure, many: bool) -> Decode:
    """`decode`, as a graph for inputs of all sizes that is traced once for a model and search.

    The graph reads the present weights of the model. Another one is traced
    where the model has other variables, as after `quantize` or `enable_lora`;
    a change of other attributes is not seen. A model with `run_eagerly`, and a
    decoder that cannot be traced, run eagerly. A graph lives no longer than its
    model.

    Args:
        model: what the user handed in.
        search: the search. That of a function, and a `Sample` without a seed,
            have no graph that is kept.
        decode: a function of both, which takes a dictionary.
        specs: of that dictionary, a `keras.KerasTensor` for each tensor.
        many: whether it is worth a graph that is not kept.
    """
    if isinstance(model, keras.Model) and model.run_eagerly:
        return decode
    known, key = _graphs_of(model), _key(model, search, specs)
    if known is None or key is None:
        return (_traced(decode, specs) if many else None) or decode
    if key not in known:
        while len(known) >= _GRAPHS_PER_MODEL:
            del known[next(iter(known))]
        known[key] = _traced(decode, specs)
    return known[key] or decode


def _traced(decode: Decode, specs: Structure) -> Decode | None:
    try:
        return compiled(decode, specs)
    except Exception:
        # If it is not the graph that is wrong, the eager call says what is.
        return None


def _graphs_of(model: Any) -> Graphs | None:
    """The graphs of a model; None where they cannot be forgotten together with it."""
    at = id(model)
    if at not in _graphs:
        try:
            reference = weakref.ref(model, lambda _: _graphs.pop(at, None))
        except TypeError:
            return None
        _graphs[at] = reference, {}
    return _graphs[at][1]


def _key(model: Any, search: Search, specs: Structure) -> Hashable | None:
    """What a graph depends on; None where that is not known."""
    if not isinstance(search, SearchSettings):
        return None
    if isinstance(search, Sample) and search.seed is None:
        # It reads the generator that `keras.utils.set_random_seed` replaces.
        return None
    try:
        hash(search)
    except TypeError:
        return None
    variables = model.variables if isinstance(model, keras.Model) else ()
    tensors = [(tuple(path), s.shape, s.dtype) for path, s in tree.flatten_with_path(specs)]
    return search, tuple(tensors), tuple(id(variable) for variable in variables)
