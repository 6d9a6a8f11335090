"""Beam search, losses and weights as in `tensorflow_addons.seq2seq`, for moving models from it."""

from keras_attention.tfa.beam_search import TfaHypotheses, tfa_beam_search
from keras_attention.tfa.losses import SequenceLoss, sequence_loss
from keras_attention.tfa.trace_back import trace_back
from keras_attention.tfa.weights import load_tfa_weights

__all__ = [
    "SequenceLoss",
    "TfaHypotheses",
    "load_tfa_weights",
    "sequence_loss",
    "tfa_beam_search",
    "trace_back",
]
