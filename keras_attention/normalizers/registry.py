"""The normalizers by name."""

import keras

from keras_attention.normalizers.base import Normalizer
from keras_attention.normalizers.monotonic import Monotonic, StepwiseMonotonic
from keras_attention.normalizers.sampled import HardSample
from keras_attention.normalizers.softmax import Hardmax, Sigmoid, Softmax
from keras_attention.normalizers.sparse import Entmax15, Sparsemax

NAMES = {
    "softmax": Softmax,
    "sigmoid": Sigmoid,
    "hardmax": Hardmax,
    "sparsemax": Sparsemax,
    "entmax15": Entmax15,
    "hard_sample": HardSample,
    "monotonic": Monotonic,
    "stepwise_monotonic": StepwiseMonotonic,
}


def get(normalizer, **kwargs):
    """The normalizer named `normalizer`, or `normalizer` itself where it is one already.

    Args:
        normalizer: a name (`"softmax"`, `"sigmoid"`, `"hardmax"`,
            `"sparsemax"`, `"entmax15"`, `"hard_sample"`, `"monotonic"`,
            `"stepwise_monotonic"`), a `Normalizer`, or the config of one.
        **kwargs: for the constructor, where a name is given.

    Raises:
        ValueError: where there is no such normalizer.

    Example:

    >>> from keras_attention import normalizers
    >>> type(normalizers.get("softmax")).__name__
    'Softmax'
    """
    if isinstance(normalizer, dict):
        normalizer = keras.saving.deserialize_keras_object(normalizer)
    if isinstance(normalizer, Normalizer):
        return normalizer
    if isinstance(normalizer, str) and normalizer in NAMES:
        return NAMES[normalizer](**kwargs)
    raise ValueError(
        f"normalizer: expected one of {', '.join(map(repr, NAMES))} or a "
        f"keras_attention.normalizers.Normalizer, received {normalizer!r}."
    )
