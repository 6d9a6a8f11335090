"""Callbacks: a budget of time, resuming, divergence, scheduled sampling, pictures of attention."""

from keras_attention.callbacks.attention_images import AttentionImages
from keras_attention.callbacks.keep_best import KeepBest
from keras_attention.callbacks.stop_on_nan import DivergedError, StopOnNaN
from keras_attention.callbacks.training import AnnealToBudget, InverseSigmoidDecay
from keras_attention.callbacks.training_backup import Resumable, TrainingBackup

__all__ = [
    "AnnealToBudget",
    "AttentionImages",
    "DivergedError",
    "InverseSigmoidDecay",
    "KeepBest",
    "Resumable",
    "StopOnNaN",
    "TrainingBackup",
]
