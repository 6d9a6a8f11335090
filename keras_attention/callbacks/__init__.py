"""Callbacks: a budget of time, resuming, scheduled sampling, and pictures of attention."""

from keras_attention.callbacks.attention_images import AttentionImages
from keras_attention.callbacks.training import AnnealToBudget, InverseSigmoidDecay, KeepBest

__all__ = ["AnnealToBudget", "AttentionImages", "InverseSigmoidDecay", "KeepBest"]
