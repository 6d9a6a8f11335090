"""Which of the layers inside a layer are quantized, so that a saved layer loads them so.

Keras writes the quantization of a layer into its configuration. A `Dense` that another layer
creates when it is built has none; after loading it would be in full precision, and not fit the
weights of the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras

from keras_attention._core.types import Config

_CONFIGURED = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)


def quantization_of(layer: keras.layers.Layer) -> list[Config]:
    """The quantized layers inside a layer: their position, class, mode and settings.

    Example:

    >>> import keras
    >>> from keras_attention._core.quantized import quantization_of
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> quantization_of(model)
    []
    >>> model.layers[-1].quantize("int8")
    >>> quantization_of(model)[0]["mode"]
    'int8'
    """
    found: list[Config] = []
    for position, part in enumerate(_inner(layer)):
        if part.quantization_mode is not None:
            settings = part.quantization_config if isinstance(part, _CONFIGURED) else None
            found.append(
                {
                    "position": position,
                    "class": type(part).__name__,
                    "mode": part.quantization_mode,
                    "settings": keras.saving.serialize_keras_object(settings),
                }
            )
    return found


def quantize_as(layer: keras.layers.Layer, quantized: list[Config]) -> None:
    """Quantizes the layers inside a built layer as those of `quantization_of` were.

    Raises:
        ValueError: where the layer is not made as that one was.
    """
    parts = list(_inner(layer))
    for one in quantized:
        part = parts[one["position"]] if one["position"] < len(parts) else None
        if part is None or type(part).__name__ != one["class"]:
            raise ValueError(
                f"quantized: expected a {one['class']} as layer {one['position']} inside "
                f"{layer.name!r}, received {None if part is None else type(part).__name__}."
            )
        if part.quantization_mode is None:
            settings = keras.saving.deserialize_keras_object(one["settings"])
            part.quantize(one["mode"], type_check=False, config=settings)


class QuantizedParts(keras.layers.Layer):
    """Base of layers that create others when they are built: these are loaded as quantized."""

    def get_build_config(self) -> Config | None:
        config = super().get_build_config()
        quantized = quantization_of(self)
        return {**config, "quantized": quantized} if config and quantized else config

    def build_from_config(self, config: Config) -> None:
        quantized = config.get("quantized", []) if config else []
        super().build_from_config(config)
        quantize_as(self, quantized)


def _inner(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    return layer._flatten_layers(include_self=False)
