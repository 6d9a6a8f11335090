"""Metrics: token accuracy while training; error rates and pointing at the end."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention._core.checks import check_rank, check_shape
from keras_attention._core.optional import require


@keras.saving.register_keras_serializable(package="keras_attention")
class TokenAccuracy(keras.metrics.Mean):
    """The share of labels, other than padding, that have the highest logit.

    Args:
        name, dtype: of `keras.metrics.Metric`.

    Update arguments:
        y_true: ids `(B, T)`, 0 for padding.
        y_pred: logits `(B, T, V)`.
        sample_weight: `(B,)`, `(B, T)` or None.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import TokenAccuracy
    >>> accuracy = TokenAccuracy()
    >>> accuracy.update_state(np.array([[1, 2, 0]]), np.eye(3)[[[1, 1, 1]]])
    >>> float(accuracy.result())
    0.5
    """

    def __init__(self, name="token_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        check_shape("y_true", y_true, y_pred.shape[:-1], "one id per position of y_pred")
        labels = ops.cast(y_true, "int32")
        right = ops.equal(labels, ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        weights = ops.cast(ops.not_equal(labels, 0), self.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, self.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = ops.expand_dims(sample_weight, -1)
            weights = weights * sample_weight
        # Flat, since Keras' mean would weigh each row alike and not each token.
        right = ops.reshape(ops.cast(right, self.dtype), (-1,))
        super().update_state(right, sample_weight=ops.reshape(weights, (-1,)))

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


class ErrorRates(NamedTuple):
    """Error rates as shares: `items` (whole sequences wrong) and `tokens` (edits a token).

    Example:

    >>> from keras_attention.metrics import ErrorRates
    >>> ErrorRates(items=0.5, tokens=0.1).items
    0.5
    """

    items: float
    tokens: float


def error_rates(hypotheses, references):
    """Word and phoneme error rates, where a hypothesis may have several references.

    An item is right where it equals any of its references. The token errors
    are the Levenshtein distance to the nearest reference (on a tie the
    longest), and their rate is the sum of these distances over the summed
    length of these references.

    Args:
        hypotheses: a list of sequences of tokens.
        references: a list of lists of sequences of tokens, one a hypothesis.

    Returns:
        `ErrorRates`.

    Raises:
        ValueError: where the two differ in length or are empty.
        ImportError: without the extra `data`.

    Example:

    >>> from keras_attention.metrics import error_rates
    >>> rates = error_rates([["K", "AE"], ["D"]], [[["K", "AE", "T"], ["K"]], [["D"]]])
    >>> rates.items, round(rates.tokens, 3)
    (0.5, 0.25)
    """
    distance = require("rapidfuzz.distance", "data").Levenshtein.distance
    if len(hypotheses) != len(references) or not hypotheses:
        raise ValueError(
            "references: expected one list of sequences a hypothesis and at least one, received "
            f"{len(references)} for {len(hypotheses)} hypotheses."
        )
    wrong = edits = length = 0
    for hypothesis, accepted in zip(hypotheses, references):
        edit, negative = min((distance(hypothesis, one), -len(one)) for one in accepted)
        wrong += edit > 0
        edits += edit
        length -= negative
    return ErrorRates(wrong / len(hypotheses), edits / length)


def peaks_inside(maps, boxes, image_size):
    """The pointing game: whether the peak of each map lies inside its box.

    The peak is the centre of the map's highest place (the first, on a tie), on
    an image that the map covers evenly.

    Source: Zhang et al., "Top-Down Neural Attention by Excitation Backprop",
    2016.

    Args:
        maps: `(N, h, w)`.
        boxes: `(N, 4)`: top, left, bottom and right in pixels, the last two
            behind the box.
        image_size: height and width in pixels.

    Returns:
        `(N,)` booleans, a NumPy array.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import peaks_inside
    >>> maps = np.array([[[0.1, 0.7], [0.1, 0.1]]])
    >>> peaks_inside(maps, [[0, 10, 10, 20]], (20, 20)).tolist()
    [True]
    """
    maps, boxes = np.asarray(maps), np.asarray(boxes)
    if maps.size == 0:
        return np.zeros((0,), bool)
    check_rank("maps", maps, (3,), "maps of shape (number, height, width)")
    check_shape("boxes", boxes, (len(maps), 4), "a box for every map")
    rows, columns = np.divmod(maps.reshape(len(maps), -1).argmax(1), maps.shape[2])
    down = (rows + 0.5) * image_size[0] / maps.shape[1]
    right = (columns + 0.5) * image_size[1] / maps.shape[2]
    top, left, bottom, end = boxes.T
    return (top <= down) & (down < bottom) & (left <= right) & (right < end)
