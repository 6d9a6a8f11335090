"""Attention layers for Keras 3: additive, multiplicative, and recurrent over either."""

from keras_attention import losses, metrics, models, normalizers, scores
from keras_attention.attention import Attention, BahdanauAttention, LuongAttention
from keras_attention.memory import Memory
from keras_attention.recurrent import AttentionRNN, AttentionRNNState

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "AttentionRNN",
    "AttentionRNNState",
    "BahdanauAttention",
    "LuongAttention",
    "Memory",
    "losses",
    "metrics",
    "models",
    "normalizers",
    "scores",
]
