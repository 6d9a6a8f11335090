"""Random inputs for a model that is exported with its call, where the user gives none."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from keras_attention._core.types import Array
from keras_attention.export.call.graph import functional_of, numbers_of_ids
from keras_attention.export.call.inputs import CHANNELS, Batch
from keras_attention.export.random_inputs import LENGTHS, random_patches, random_rows

# Ids of an input that no Embedding reads: 1, and 0 where there is padding.
_UNKNOWN_NUMBER = 2
_WORDS = ("a", "b", "a b", "b c a", "", "\N{SNOWMAN}")


def random_batches(
    model: keras.Model, specs: dict[str, tf.TensorSpec], seed: int = 0
) -> list[Batch]:
    """Batches of random inputs, short and long, with and without padding.

    Ids are below the `input_dim` of the `Embedding` that reads them; images
    (four dimensions, one or three channels) have numbers from 0 to 255; other
    floats are normal.

    Args:
        model: the model.
        specs: a `tf.TensorSpec` for each input, by name.
        seed: of the random numbers.

    Returns:
        Dictionaries of arrays. In the last one, inputs of open lengths differ
        in length from each other.

    Example:

    >>> import keras, tensorflow as tf
    >>> from keras_attention.export.call.random_batches import random_batches
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> model = keras.Model(words, keras.layers.Embedding(50, 4)(words))
    >>> batches = random_batches(model, {"words": tf.TensorSpec((None, None), tf.int32)})
    >>> [batch["words"].shape for batch in batches]
    [(1, 1), (1, 5), (3, 7), (4, 12)]
    """
    rng = np.random.default_rng(seed)
    numbers = inputs_of_ids(model, specs)
    batches = []
    for lengths in LENGTHS:
        batches.append(
            {n: _random(rng, spec, lengths, numbers.get(n)) for n, spec in specs.items()}
        )
    open_ones = [name for name, spec in specs.items() if None in spec.shape.as_list()[1:]]
    if len(open_ones) > 1:
        last = LENGTHS[-1]
        different = dict(batches[-1])
        for more, name in enumerate(open_ones[1:], 1):
            longer = tuple(length + more for length in last)
            different[name] = _random(rng, specs[name], longer, numbers.get(name))
        batches.append(different)
    return batches


def inputs_of_ids(model: keras.Model, specs: dict[str, tf.TensorSpec]) -> dict[str, int]:
    """The inputs that an `Embedding` reads, and how many ids it has, see `numbers_of_ids`.

    Args:
        model: the model.
        specs: a `tf.TensorSpec` for each input, by name, in the order of the model's.
    """
    functional = functional_of(model)
    if functional is None:
        return {}
    # By position: in a dictionary of inputs the keys are the names.
    sizes = numbers_of_ids(functional)
    order = [sizes.get(tensor.name, 0) for tensor in functional.inputs]
    return {name: size for name, size in zip(specs, order) if size}


def _random(
    rng: np.random.Generator, spec: tf.TensorSpec, lengths: tuple[int, ...], ids: int | None
) -> Array:
    """One input for a batch of the given lengths."""
    longest = max(lengths)
    shape = [len(lengths), *(longest if n is None else n for n in spec.shape.as_list()[1:])]
    dtype = tf.as_dtype(spec.dtype)
    if dtype == tf.string:
        return np.array(rng.choice(_WORDS, shape), np.str_)
    if ids is not None or (dtype.is_integer and len(shape) == 2):
        size = _UNKNOWN_NUMBER if ids is None else ids
        if len(shape) != 2:
            return rng.integers(0, size, shape).astype(dtype.as_numpy_dtype)
        scaled = [max(1, length * shape[1] // longest) for length in lengths]
        return random_rows(rng, scaled, range(1, size) or [0]).astype(dtype.as_numpy_dtype)
    if dtype.is_bool or dtype.is_integer:
        return rng.integers(0, 2, shape).astype(dtype.as_numpy_dtype)
    if len(shape) == 4 and shape[-1] in CHANNELS:
        images = [random_patches(rng, *shape[1:]) for _ in range(shape[0])]
        return np.stack(images).astype(dtype.as_numpy_dtype)
    return rng.normal(size=shape).astype(dtype.as_numpy_dtype)
