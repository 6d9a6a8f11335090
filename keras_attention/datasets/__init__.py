"""Loaders for real data that a package registry carries, and batches of it."""

from keras_attention.datasets.batching import pad, teacher_forcing_batches
from keras_attention.datasets.bible import load_bible
from keras_attention.datasets.cmudict import Entry, load_cmudict
from keras_attention.datasets.pairs import Pair, load_pairs, split_pairs
from keras_attention.datasets.tatoeba import load_tatoeba

__all__ = [
    "Entry",
    "Pair",
    "load_bible",
    "load_cmudict",
    "load_pairs",
    "load_tatoeba",
    "pad",
    "split_pairs",
    "teacher_forcing_batches",
]
