"""Ready-made models assembled from the layers: each reads as an example."""

from keras_attention.models.averaging import average_checkpoints
from keras_attention.models.captioner import Captioner
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.models.encoders import RecurrentEncoder, TransformerEncoder
from keras_attention.models.ensemble import Ensemble
from keras_attention.models.glimpse_classifier import GlimpseClassifier
from keras_attention.models.image_encoders import ConvolutionBlock, ImageEncoder, backbone
from keras_attention.models.presets import built_in_presets, load_preset
from keras_attention.models.seq2seq import Seq2Seq
from keras_attention.models.transformer import Transformer
from keras_attention.models.word_detection import WordDetection

__all__ = [
    "Captioner",
    "ConvolutionBlock",
    "EncoderDecoder",
    "Ensemble",
    "GlimpseClassifier",
    "ImageEncoder",
    "RecurrentEncoder",
    "Seq2Seq",
    "Transformer",
    "TransformerEncoder",
    "WordDetection",
    "average_checkpoints",
    "backbone",
    "built_in_presets",
    "load_preset",
]
