"""Loaders for real data that a package registry carries, and batches of it."""

from keras_attention.datasets.batching import pad, teacher_forcing_batches
from keras_attention.datasets.cmudict import Entry, load_cmudict

__all__ = ["Entry", "load_cmudict", "pad", "teacher_forcing_batches"]
