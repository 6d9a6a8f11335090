"""Searches as dictionaries that JSON can hold, and back."""

from __future__ import annotations

from typing import cast

import keras

from keras_attention._core.types import Config
from keras_attention.generation.decoder import Search
from keras_attention.generation.settings import SearchSettings, Settings


def serialize_search(search: Search) -> Config:
    """The settings of a search, with its penalties and constraints, by their registered names.

    So a model keeps its search in its `.keras` file.

    Args:
        search: `Greedy`, `Sample`, `BeamSearch` or another search of
            `keras_attention.generation`; or your own frozen dataclass, a
            subclass of one of them that is registered with Keras.

    Returns:
        A dictionary that JSON can hold, for `deserialize_search`.

    Raises:
        ValueError: for a search without settings, such as a function, and for
            settings (also of its penalties and constraints) whose class is not
            registered.

    Example:

    >>> from keras_attention.generation import BeamSearch, deserialize_search, serialize_search
    >>> search = BeamSearch(num_beams=3, length_penalty="average")
    >>> deserialize_search(serialize_search(search)) == search
    True
    """
    if not isinstance(search, SearchSettings):
        raise ValueError(
            "search: expected one with settings that can be saved, such as "
            f"keras_attention.generation.BeamSearch, received {search!r}."
        )
    _check_registered(search)
    return cast(Config, keras.saving.serialize_keras_object(search))


def deserialize_search(config: Config) -> Search:
    """The search of a `serialize_search`.

    Only classes that are registered with Keras are made; no module is imported
    and no code of the dictionary is run.

    Args:
        config: of `serialize_search`.

    Raises:
        ValueError: where it is no such dictionary, or names a class that is not
            registered or is not a search.

    Example:

    >>> from keras_attention.generation import Greedy, deserialize_search, serialize_search
    >>> deserialize_search(serialize_search(Greedy(max_length=9)))
    Greedy(max_length=9, constraints=())
    """
    name = config.get("registered_name") if isinstance(config, dict) else None
    kind = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    if not (isinstance(kind, type) and issubclass(kind, SearchSettings)):
        raise ValueError(
            "search: expected the dictionary of a registered search, as serialize_search gives "
            f"it, received {config!r}."
        )
    return kind.from_config(config["config"])


def _check_registered(settings: object) -> None:
    if isinstance(settings, tuple):
        for one in settings:
            _check_registered(one)
    elif isinstance(settings, Settings):
        name = keras.saving.get_registered_name(type(settings))
        if keras.saving.get_registered_object(name) is not type(settings):
            raise ValueError(
                "search: expected settings whose class is registered with "
                "keras.saving.register_keras_serializable, received "
                f"{type(settings).__name__}."
            )
        for value in vars(settings).values():
            _check_registered(value)
