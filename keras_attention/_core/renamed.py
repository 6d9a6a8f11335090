"""Arguments that had other names when a `.keras` file was written.

`from_config` alone translates them; a constructor knows only the present names.
"""

from __future__ import annotations

from keras_attention._core.types import Config

# Registered class name -> {old argument: present argument}.
RENAMED_ARGUMENTS: dict[str, dict[str, str]] = {
    "BeamSearch": {"width": "num_beams"},
    "EncoderDecoder": {
        "encoder_layers": "num_encoder_layers",
        "decoder_layers": "num_decoder_layers",
    },
    "MultiHeadAttention": {"output_dim": "output_shape"},
    "RecurrentEncoder": {"depth": "num_layers"},
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
