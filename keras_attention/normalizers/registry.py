"""The normalizers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from keras_attention._core.registry import Registry
from keras_attention._core.types import Config
from keras_attention.normalizers.base import Normalizer
from keras_attention.normalizers.monotonic import Monotonic, StepwiseMonotonic
from keras_attention.normalizers.sampled import HardSample
from keras_attention.normalizers.softmax import Exponential, Hardmax, Sigmoid, Softmax
from keras_attention.normalizers.sparse import Entmax15, Sparsemax

# What an argument `normalizer` may be.
NormalizerIdentifier: TypeAlias = "str | type[Normalizer] | Normalizer | Config"

NAMES: dict[str, type[Normalizer]] = {
    "softmax": Softmax,
    "exponential": Exponential,
    "sigmoid": Sigmoid,
    "hardmax": Hardmax,
    "sparsemax": Sparsemax,
    "entmax15": Entmax15,
    "hard_sample": HardSample,
    "monotonic": Monotonic,
    "stepwise_monotonic": StepwiseMonotonic,
}

_REGISTRY = Registry(
    "normalizer", Normalizer, NAMES, " or a keras_attention.normalizers.Normalizer"
)


def get(normalizer: NormalizerIdentifier, **kwargs: object) -> Normalizer:
    """The normalizer that `normalizer` names or describes; a `Normalizer` is returned as it is.

    Args:
        normalizer: a name (`"softmax"`, `"exponential"`, `"sigmoid"`,
            `"hardmax"`, `"sparsemax"`, `"entmax15"`, `"hard_sample"`,
            `"monotonic"`, `"stepwise_monotonic"`), a subclass of `Normalizer`,
            a `Normalizer`, or the config of one.
        **kwargs: for the constructor, if a name or a class is given.

    Raises:
        ValueError: if there is no such normalizer.

    Example:

    >>> from keras_attention import normalizers
    >>> type(normalizers.get("softmax")).__name__
    'Softmax'
    """
    return _REGISTRY.make(normalizer, **kwargs)


def serialize(normalizer: Normalizer) -> Config:
    """The config of a normalizer, which JSON can hold.

    Example:

    >>> from keras_attention import normalizers
    >>> normalizers.serialize(normalizers.Softmax())["class_name"]
    'Softmax'
    """
    return _REGISTRY.serialize(normalizer)


def deserialize(config: Config, custom_objects: Mapping[str, object] | None = None) -> Normalizer:
    """A normalizer from its config.

    Args:
        config: what `serialize` returned, or a name.
        custom_objects: name -> class, for classes that are not registered with
            Keras.

    Raises:
        ValueError: if the config is not that of a normalizer.

    Example:

    >>> from keras_attention import normalizers
    >>> config = normalizers.serialize(normalizers.Softmax(temperature=0.5))
    >>> normalizers.deserialize(config).temperature
    0.5
    """
    return _REGISTRY.deserialize(config, custom_objects)
