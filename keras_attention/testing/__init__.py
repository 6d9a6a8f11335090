"""Conformance checks of your own scores, normalizers, attentions and decoders, one call each.

They try the properties that every class of this library is tested for, and report all that do not
hold, what was found, and what usually breaks them.
"""

from keras_attention.testing._decoders import check_decoder
from keras_attention.testing._layers import check_attention, check_normalizer, check_score
from keras_attention.testing._report import ConformanceError, Violation

__all__ = [
    "ConformanceError",
    "Violation",
    "check_attention",
    "check_decoder",
    "check_normalizer",
    "check_score",
]
