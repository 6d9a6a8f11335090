"""Arguments that had other names when a `.keras` file was written.

`from_config` alone translates them; a constructor knows only the present names. A functional
model also stores the arguments of its calls, see `RenamedCallArguments`.
"""

from __future__ import annotations

from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, Structure

# Registered class name -> {old argument: present argument}.
RENAMED_ARGUMENTS: dict[str, dict[str, str]] = {
    "BeamSearch": {"width": "num_beams"},
    "EncoderDecoder": {
        "encoder_layers": "num_encoder_layers",
        "decoder_layers": "num_decoder_layers",
    },
    "GlimpseNetwork": {"places": "locations", "places_shape": "locations_shape"},
    "GlimpseRNN": {"return_places": "return_locations"},
    "MultiHeadAttention": {"output_dim": "output_shape"},
    "RecurrentEncoder": {"depth": "num_layers"},
    "Retina": {"places": "locations", "places_shape": "locations_shape"},
    "TransformerBlock": {"heads": "num_heads"},
    "TransformerEncoder": {"heads": "num_heads", "depth": "num_layers"},
}


def present_names(class_name: str, config: Config) -> Config:
    """A copy of `config` in which old argument names are replaced by the present ones.

    Args:
        class_name: the name under which the class is registered with Keras.
        config: what the class's `get_config` returned when the file was written.

    Example:

    >>> from keras_attention._core.renamed import present_names
    >>> present_names("BeamSearch", {"width": 4})
    {'num_beams': 4}
    """
    names = RENAMED_ARGUMENTS.get(class_name, {})
    return {names.get(name, name): value for name, value in config.items()}


class RenamedCallArguments(QuantizedParts):
    """Base of layers whose call arguments have been renamed.

    A saved functional model calls the layer with the arguments of its time, and builds it with
    the shapes of those. The names are translated by the table, under the class's own name.
    """

    def __call__(self, *args: Structure, **kwargs: Structure) -> Structure:
        return super().__call__(*args, **present_names(type(self).__name__, kwargs))

    def build_from_config(self, config: Config) -> None:
        if "shapes_dict" in config:
            shapes = present_names(type(self).__name__, config["shapes_dict"])
            config = {**config, "shapes_dict": shapes}
        super().build_from_config(config)
