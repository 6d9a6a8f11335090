"""One model of several checkpoints: the mean of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attention._core.loading import load_model
from keras_attention._core.types import Config


def average_checkpoints(checkpoints: Sequence[str | Path | keras.Model]) -> keras.Model:
    """A new model whose weights are the mean of those of several checkpoints.

        theta = 1/n sum_i theta_i        in float64

    The last checkpoints of one training, averaged, are often better than each
    of them, and as fast as one. Weights that are no floating point numbers,
    such as the seeds of a dropout, are those of the last checkpoint. The result
    is a model as any other: it is saved, generates and is exported. It is not
    compiled.

    Sources: Junczys-Dowmunt, Dwojak and Sennrich, "The AMU-UEDIN Submission to
    the WMT16 News Translation Task", 2016; Vaswani et al., "Attention Is All
    You Need", 2017.

    Args:
        checkpoints: paths of `.keras` files, which are read in safe mode, one
            after another; or models, which stay as they are.

    Returns:
        A model of the class of the first checkpoint.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for no checkpoints, a file that is no Keras model, and
            checkpoints of different architectures.

    Example:

    >>> from keras_attention.models import EncoderDecoder, average_checkpoints
    >>> first, second = EncoderDecoder(30, 40, units=16), EncoderDecoder(30, 40, units=16)
    >>> mean = average_checkpoints([first, second])
    >>> halves = (one.get_weights()[0][5, 0] / 2 for one in (first, second))
    >>> abs(float(mean.get_weights()[0][5, 0] - sum(halves))) < 1e-6
    True
    """
    if isinstance(checkpoints, (str, Path, keras.Model)) or not checkpoints:
        raise ValueError(
            "checkpoints: expected a list of paths or models, at least one, received "
            f"{checkpoints!r}."
        )
    mean: Any = None
    sums: list[Any] = []
    for i, checkpoint in enumerate(checkpoints):
        model = _loaded(checkpoint)
        if mean is None:
            mean = _copy(model) if model is checkpoint else model
            architecture = _architecture(model)
            sums = [_zeros(weight) for weight in model.weights]
        elif _architecture(model) != architecture:
            raise ValueError(
                "checkpoints: expected all of one architecture, received another one in "
                f"checkpoint {i} than in checkpoint 0."
            )
        for at, weight in enumerate(model.weights):
            value = keras.ops.convert_to_numpy(weight)
            floats = keras.backend.is_float_dtype(weight.dtype)
            sums[at] = sums[at] + value.astype("float64") if floats else value
    for weight, total in zip(mean.weights, sums):
        floats = keras.backend.is_float_dtype(weight.dtype)
        weight.assign(total / len(checkpoints) if floats else total)
    return mean


def _zeros(weight: keras.Variable) -> Any:
    return np.zeros(weight.shape, "float64")


def _loaded(checkpoint: Any) -> keras.Model:
    model = checkpoint
    if isinstance(checkpoint, (str, Path)):
        model = load_model(checkpoint, compile=False)
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"checkpoints: expected paths of .keras files or models, received {checkpoint!r}."
        )
    return model


def _copy(model: keras.Model) -> keras.Model:
    """A model of the same configuration, with weights of its own."""
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    copy = keras.saving.deserialize_keras_object(config)
    if len(copy.weights) != len(model.weights):
        raise ValueError(
            f"checkpoints: expected a model that its configuration builds, with "
            f"{len(model.weights)} weights, received one that builds {len(copy.weights)}; give "
            "paths of .keras files."
        )
    return copy


def _architecture(model: keras.Model) -> tuple[str, Config, list[tuple[int, ...]]]:
    """What must be equal: the class, the configuration without names, the weights' shapes."""
    shapes = [tuple(weight.shape) for weight in model.weights]
    return type(model).__name__, _without_names(model.get_config()), shapes


def _without_names(config: Any) -> Any:
    """A configuration without the names of layers, which Keras numbers anew in every model."""
    if isinstance(config, dict):
        return {k: _without_names(v) for k, v in config.items() if k not in _NAMES}
    if isinstance(config, (list, tuple)):
        return [_without_names(one) for one in config]
    return config


# Names, and what refers to layers by them.
_NAMES = frozenset(
    (
        "name",
        "keras_history",
        "input_layers",
        "output_layers",
        "search",
        "trainable",
        "compile_config",
        "build_config",
        "shared_object_id",
    )
)
