"""The inputs of a model that is exported with its call: names, shapes, and the call itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from keras_attention._core.types import Array, Structure, Tensor
from keras_attention.export.call.graph import functional_of
from keras_attention.generation.any_model.graph import is_functional

Batch = dict[str, Array]

# Number of channels of an image.
CHANNELS = (1, 3)
_MADE_UP = re.compile(r"keras_tensor(_\d+)*(CLONE)?")


class CallInputs(NamedTuple):
    """The inputs of a model's call.

    Attributes:
        specs: a `tf.TensorSpec` for each name; the first size, the batch, is open.
        call: takes the tensors by name, returns what the model returns.

    Example:

    >>> import keras
    >>> from keras_attention.export.call.inputs import call_inputs
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> model = keras.Model(words, keras.layers.Embedding(50, 4)(words))
    >>> call_inputs(model).specs["words"].shape.as_list()
    [None, None]
    """

    specs: dict[str, tf.TensorSpec]
    call: Callable[[dict[str, Tensor]], Structure]


def call_inputs(model: keras.Model, examples: Iterable[object] | None = None) -> CallInputs:
    """The inputs of a model.

    Those of a functional model are its `keras.Input` tensors: their names are
    the keys where the inputs are a dictionary, else the names of the tensors.
    Those of a subclassed model are what the examples are, or the shapes that it
    was built with.

    Args:
        model: any Keras model.
        examples: batches: dictionaries of arrays by name, or arrays where there
            is one input.

    Returns:
        `CallInputs`.

    Raises:
        ValueError: for a subclassed model that was never built, without
            examples.
    """
    functional = functional_of(model)
    if functional is not None:
        structure = functional.input if is_functional(model) else functional.inputs[0]
        return _packed(model, structure, _specs_of_tensors(structure))
    if examples is not None:
        given = list(examples)
        batches = [one for one in given if isinstance(one, Mapping)]
        if not batches:
            spec = _spec(given, "inputs")
            return _packed(model, 0, [_with_name(spec, _name_of_one(spec.shape))])
        names = sorted(map(str, batches[0]))
        specs = [_spec([one[name] for one in batches], _plain_name(name)) for name in names]
        return _packed(model, dict.fromkeys(names, 0), specs)
    return _as_built(model)


def _as_built(model: keras.Model) -> CallInputs:
    """The inputs of a subclassed model, by the shapes that it was built with."""
    config = model.get_build_config() if model.built else None
    if not config or not any(config.values()):
        raise ValueError(
            f"examples: expected batches of inputs, because {type(model).__name__} has no "
            "keras.Input and was never called, so that the shapes of its inputs are not known; "
            "received None."
        )

    def spec(shape: Any, name: str) -> tf.TensorSpec:
        return tf.TensorSpec((None, *shape[1:]), model.input_dtype, _plain_name(name))

    if "input_shape" not in config:
        # One argument of the call each, such as query_shape and value_shape.
        shapes = {name.removesuffix("_shape"): x for name, x in config["shapes_dict"].items()}
        specs = {name: spec(shape, name) for name, shape in shapes.items()}
        return CallInputs(specs, lambda tensors: model(**tensors, training=False))
    shape = config["input_shape"]
    if isinstance(shape, Mapping):
        names = sorted(map(str, shape))
        return _packed(model, dict.fromkeys(names, 0), [spec(shape[n], n) for n in names])
    if shape and isinstance(shape[0], (list, tuple)):
        several = [spec(one, f"inputs_{i}") for i, one in enumerate(shape)]
        return _packed(model, [0] * len(shape), several)
    return _packed(model, 0, [spec(shape, _name_of_one(shape))])


def _packed(model: keras.Model, structure: Structure, specs: list[tf.TensorSpec]) -> CallInputs:
    """Inputs that the call takes as one structure; specs are in the order of its leaves."""
    template = tree.map_structure(lambda _: 0, structure)
    names = [spec.name for spec in specs]

    def call(tensors: dict[str, Tensor]) -> Structure:
        packed = tree.pack_sequence_as(template, [tensors[name] for name in names])
        return model(packed, training=False)

    return CallInputs(dict(zip(names, specs)), call)


def _specs_of_tensors(structure: Structure) -> list[tf.TensorSpec]:
    """The specs of `keras.Input` tensors, each named by its key in a dictionary, or its own name.

    A name that Keras made up counts the tensors of the process; it becomes `inputs`, `inputs_1`.
    """
    specs: list[tf.TensorSpec] = []
    for path, tensor in tree.flatten_with_path(structure):
        key = path[0] if len(path) == 1 else None
        name = _plain_name(key if isinstance(key, str) else tensor.name)
        if _MADE_UP.fullmatch(name):
            name = _name_of_one(tensor.shape)
        taken, free, number = [spec.name for spec in specs], name, 0
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        specs.append(tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, free))
    return specs


def _with_name(spec: tf.TensorSpec, name: str) -> tf.TensorSpec:
    return tf.TensorSpec(spec.shape, spec.dtype, name)


def _plain_name(name: str) -> str:
    # TensorFlow uses the names as those of Python arguments.
    name = re.sub(r"\W", "_", name)
    return name if name[:1].isalpha() else f"input_{name}"


def _name_of_one(shape: Iterable[int | None]) -> str:
    """The name of an input that has none."""
    sizes = list(shape)
    return "image" if len(sizes) == 4 and sizes[-1] in CHANNELS else "inputs"


def _spec(arrays: list[object], name: str) -> tf.TensorSpec:
    """Sizes that are equal in all batches are fixed, except for the batch."""
    batches = [np.asarray(array) for array in arrays]
    shapes = [batch.shape for batch in batches]
    sizes = [n if all(n == s[i] for s in shapes) else None for i, n in enumerate(shapes[0])]
    kind = batches[0].dtype
    dtype = {"i": "int32", "u": "int32", "f": "float32", "U": "string"}.get(kind.kind, kind.name)
    return tf.TensorSpec((None, *sizes[1:]), dtype, name)
