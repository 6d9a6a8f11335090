"""Normalizers: how scores become weights. One small class per normalizer."""

from keras_attention.normalizers.base import Normalizer
from keras_attention.normalizers.monotonic import Monotonic, StepwiseMonotonic
from keras_attention.normalizers.registry import deserialize, get, serialize
from keras_attention.normalizers.sampled import HardSample
from keras_attention.normalizers.softmax import Exponential, Hardmax, Sigmoid, Softmax
from keras_attention.normalizers.sparse import Entmax15, Sparsemax

__all__ = [
    "Entmax15",
    "Exponential",
    "HardSample",
    "Hardmax",
    "Monotonic",
    "Normalizer",
    "Sigmoid",
    "Softmax",
    "Sparsemax",
    "StepwiseMonotonic",
    "deserialize",
    "get",
    "serialize",
]
