"""Settings that are values: compared, printed, and turned into plain dictionaries and back."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import keras

from keras_attention._core.renamed import present_names
from keras_attention._core.types import Config, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

    from keras_attention.generation.decoder import DecoderLike
    from keras_attention.generation.hypotheses import Hypotheses


class Settings:
    """Base of frozen dataclasses that are saved as plain dictionaries, without pickle."""

    def get_config(self) -> Config:
        """The arguments of the constructor, as plain values."""
        return {f.name: _plain(vars(self)[f.name]) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The object of a `get_config()`, also of one with old argument names."""
        config = present_names(cls.__name__, config)
        return cls(**{name: _restored(value) for name, value in config.items()})


class SearchSettings(Settings):
    """Base of the searches, which all have a largest length."""

    max_length: int

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        """Decodes a batch, see `keras_attention.generation.Search`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__.")


def _plain(value: Any) -> Any:
    if isinstance(value, (Settings, keras.random.SeedGenerator)):
        return keras.saving.serialize_keras_object(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    if isinstance(value, (list, tuple)):
        return tuple(_restored(one) for one in value)
    return value
