"""Attention over images: where to look, how much to use, and which channels matter."""

from keras_attention.vision.channels import (
    CBAM,
    ChannelAttention,
    SpatialAttention,
    SqueezeExcitation,
)
from keras_attention.vision.gated import GatedAttention
from keras_attention.vision.glimpses import GlimpseNetwork, GlimpseRNN
from keras_attention.vision.locations import GaussianLocations, UniformLocations
from keras_attention.vision.mean_state import MeanState
from keras_attention.vision.retina import Retina
from keras_attention.vision.sentinel import (
    SentinelAttention,
    SentinelCell,
    hidden_plus_context,
)
from keras_attention.vision.top_down import TopDownRNN

__all__ = [
    "CBAM",
    "ChannelAttention",
    "GatedAttention",
    "GaussianLocations",
    "GlimpseNetwork",
    "GlimpseRNN",
    "MeanState",
    "Retina",
    "SentinelAttention",
    "SentinelCell",
    "SpatialAttention",
    "SqueezeExcitation",
    "TopDownRNN",
    "UniformLocations",
    "hidden_plus_context",
]
