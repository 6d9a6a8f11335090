"""Losses over sequences of ids, and over attention weights. All of them ignore padding."""

from keras_attention.losses.attention_loss import AddAttentionLoss, AttentionLoss
from keras_attention.losses.attention_weights import (
    alignment_loss,
    coverage_loss,
    doubly_stochastic_loss,
    entropy_loss,
    guided_attention_loss,
    redundancy_loss,
)
from keras_attention.losses.crf import CRFLoss
from keras_attention.losses.crossentropy import SequenceCrossentropy, token_crossentropy
from keras_attention.losses.hard_attention import (
    AddHardAttentionLoss,
    MovingBaseline,
    hard_attention_loss,
)

__all__ = [
    "AddAttentionLoss",
    "AddHardAttentionLoss",
    "AttentionLoss",
    "CRFLoss",
    "MovingBaseline",
    "SequenceCrossentropy",
    "alignment_loss",
    "coverage_loss",
    "doubly_stochastic_loss",
    "entropy_loss",
    "guided_attention_loss",
    "hard_attention_loss",
    "redundancy_loss",
    "token_crossentropy",
]
