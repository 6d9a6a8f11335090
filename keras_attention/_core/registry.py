"""Names that stand for scores, normalizers, windows and losses in arguments and configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

import keras

from keras_attention._core.types import Config

T = TypeVar("T")


class FunctionRegistry(Generic[T]):
    """Functions by name.

    Args:
        argument: the argument that takes a name, for error messages.
        entries: name -> function.
        others: what is accepted besides a name, for error messages.

    Example:

    >>> from keras_attention._core.registry import FunctionRegistry
    >>> FunctionRegistry("rounding", {"down": int}, "a function").get("down")(2.5)
    2
    """

    def __init__(self, argument: str, entries: Mapping[str, T], others: str) -> None:
        self.argument, self.entries, self.others = argument, dict(entries), others

    def get(self, identifier: object) -> T:
        """The function with the name or config `identifier`; a function is returned as it is."""
        found = self._object_of(identifier)
        if callable(found):
            return cast(T, found)
        return self._entry(found, identifier)

    def _object_of(self, identifier: object) -> object:
        """What the config `identifier` describes; anything but a config is returned as it is."""
        if not isinstance(identifier, dict):
            return identifier
        try:
            return keras.saving.deserialize_keras_object(identifier, self._custom_objects())
        except TypeError as error:
            if str(error).startswith("Could not locate"):
                raise self._error(identifier) from error
            raise

    def _custom_objects(self) -> dict[str, Any]:
        return {}

    def _entry(self, name: object, received: object) -> T:
        if isinstance(name, str) and name in self.entries:
            return self.entries[name]
        raise self._error(received)

    def _error(self, received: object) -> ValueError:
        names = ", ".join(map(repr, self.entries))
        return ValueError(
            f"{self.argument}: expected one of {names}{self.others}, received {received!r}."
        )


class Registry(FunctionRegistry["type[T]"], Generic[T]):
    """Classes by name, with the functions `get`, `serialize` and `deserialize` of a Keras module.

    Args:
        argument: the argument that takes a name, for error messages.
        base: the class that all instances have as a base.
        entries: name -> class.
        others: what is accepted besides a name, for error messages.
    """

    def __init__(
        self, argument: str, base: type[T], entries: Mapping[str, type[T]], others: str
    ) -> None:
        super().__init__(argument, entries, others)
        self.base = base

    def make(self, identifier: object, **kwargs: Any) -> T:
        """An instance of the class with the name, class or config `identifier`.

        An instance is returned as it is.

        Args:
            identifier: a name, a class, an instance, or the config of one.
            **kwargs: for the constructor, if a name or a class is given.

        Raises:
            ValueError: if it is none of these.
        """
        found = self._object_of(identifier)
        if isinstance(found, self.base):
            return found
        if isinstance(found, type):
            if not issubclass(found, self.base):
                raise self._error(identifier)
            return found(**kwargs)
        return self._entry(found, identifier)(**kwargs)

    def serialize(self, instance: T) -> Config:
        """The config of an instance, from which `deserialize` makes another."""
        config: Config = keras.saving.serialize_keras_object(instance)
        return config

    def deserialize(self, config: Config, custom_objects: Mapping[str, object] | None = None) -> T:
        """An instance from what `serialize` returned."""
        with keras.saving.custom_object_scope(dict(custom_objects or {})):
            return self.make(config)

    def _custom_objects(self) -> dict[str, Any]:
        # A config written by hand need not name the package: {"class_name": "Dot"}.
        return {entry.__name__: entry for entry in self.entries.values()}
