"""Ready-made models assembled from the layers: each reads as an example."""

from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.models.encoders import RecurrentEncoder, TransformerBlock, TransformerEncoder

__all__ = ["EncoderDecoder", "RecurrentEncoder", "TransformerBlock", "TransformerEncoder"]
