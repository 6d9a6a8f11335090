"""Settings that are values: compared, printed, and turned into plain dictionaries and back."""

from dataclasses import fields

import keras


class Settings:
    """Base of frozen dataclasses that are saved as plain dictionaries, without pickle."""

    def get_config(self):
        """The arguments of the constructor, as plain values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_config(cls, config):
        """The object whose `get_config` this was."""
        return cls(**{name: _made(value) for name, value in config.items()})


def _plain(value):
    if isinstance(value, Settings):
        return keras.saving.serialize_keras_object(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _made(value):
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    return tuple(_made(one) for one in value) if isinstance(value, (list, tuple)) else value
