"""Attention layers for Keras 3: additive, multiplicative, and recurrent over either."""

from keras_attention import (
    copying,
    losses,
    metrics,
    migration,
    models,
    normalizers,
    pooling,
    scheduled,
    scores,
    vision,
    windows,
)
from keras_attention.attention import Attention, AttentionState, BahdanauAttention, LuongAttention
from keras_attention.memory import Memory
from keras_attention.multi_head import MultiHeadAttention
from keras_attention.recurrent import AttentionRNN, AttentionRNNState

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "AttentionRNN",
    "AttentionRNNState",
    "AttentionState",
    "BahdanauAttention",
    "LuongAttention",
    "Memory",
    "MultiHeadAttention",
    "copying",
    "losses",
    "metrics",
    "migration",
    "models",
    "normalizers",
    "pooling",
    "scheduled",
    "scores",
    "vision",
    "windows",
]
