"""Scores that look back on the weights of earlier steps: location and coverage."""

import keras
from keras import ops

from keras_attention._core.checks import (
    check_choice,
    check_positive,
)
from keras_attention._core.memory import initial_alignment
from keras_attention.scores.additive import Additive


class _LookingBack(Additive):
    """An additive score whose keys gain, at every step, features of the weights before it."""

    def __init__(self, units, initial_alignment, use_bias=True, **kwargs):
        super().__init__(units, use_bias=use_bias, **kwargs)
        check_choice("initial_alignment", initial_alignment, ("zeros", "uniform", "first"))
        self.initial_alignment = initial_alignment

    def initial_state(self, memory):
        return initial_alignment(self.initial_alignment, memory)

    def compare(self, query, keys, state=None):
        if state is None:
            raise ValueError(
                f"state: expected what {type(self).__name__} looks back on, from "
                "initial_state(memory) or next_state(state, weights), received None."
            )
        return super().compare(query, keys + self.features(state))

    def features(self, state):
        """The state to what is added to the projected keys `(B, Tk, U)`."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "initial_alignment": self.initial_alignment}


@keras.saving.register_keras_serializable(package="keras_attention")
class Location(_LookingBack):
    """Location-sensitive score: `score_j = v . tanh(W query + U key_j + V f_j + b)`.

    f is a convolution over the weights of the step before, so that the score
    knows where attention was. It reads positions as a line; padding is
    expected at the end. A gradient flows through the weights.

    Source: Chorowski et al., "Attention-Based Models for Speech Recognition",
    2015 (10 filters of width 201). The paper does not say what stands before
    the first step; here weights are even over the real positions, as in ESPnet
    and SpeechBrain.

    Args:
        units: the size U of the common space; by default the query's size.
        filters: how many.
        kernel_size: their width, in positions.
        initial_alignment: `"uniform"` over the real positions, `"zeros"`, or
            `"first"`, all of it on the first real position.
        **kwargs: of `Additive`; `use_bias` is True here.

    Raises:
        ValueError: for sizes that are not positive and another alignment.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.Location(8, filters=2, kernel_size=3))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(
        self, units=None, filters=32, kernel_size=31, initial_alignment="uniform", **kwargs
    ):
        super().__init__(units, initial_alignment, **kwargs)
        check_positive("filters", filters)
        check_positive("kernel_size", kernel_size)
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        units = self.v.shape[0]
        self.convolution = self.add_weight(
            shape=(self.kernel_size, self._channels, self.filters), autocast=False, name="filters"
        )
        self.feature_projection = self.add_weight(
            shape=(self.filters, units), autocast=False, name="feature_projection"
        )

    _channels = 1

    def next_state(self, state, weights):
        return weights

    def features(self, state):
        return self._convolved(ops.expand_dims(state, -1))

    def _convolved(self, alignments):
        filters = ops.cast(self.convolution, alignments.dtype)
        found = ops.conv(alignments, filters, padding="same", data_format="channels_last")
        return ops.matmul(found, ops.cast(self.feature_projection, alignments.dtype))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class CumulativeLocation(Location):
    """Location-sensitive score that also sees the sum of all weights so far.

    As `Location`, with f a convolution over two channels: the weights of the
    step before, and the sum of those of all steps before.

    Source: Shen et al., "Natural TTS Synthesis by Conditioning WaveNet on Mel
    Spectrogram Predictions" (Tacotron 2), 2018: 32 filters of width 31, zeros
    before the first step.

    Args:
        units, filters, kernel_size, **kwargs: as in `Location`.
        initial_alignment: as in `Location`, for both channels.

    Raises:
        ValueError: as `Location`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.CumulativeLocation(8, filters=2, kernel_size=3))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    _channels = 2

    def __init__(self, units=None, filters=32, kernel_size=31, initial_alignment="zeros", **kwargs):
        super().__init__(units, filters, kernel_size, initial_alignment, **kwargs)

    def initial_state(self, memory):
        return (super().initial_state(memory),) * 2

    def next_state(self, state, weights):
        _, total = state
        return weights, total + weights

    def features(self, state):
        return self._convolved(ops.stack(state, axis=-1))


@keras.saving.register_keras_serializable(package="keras_attention")
class Coverage(_LookingBack):
    """Coverage score: `score_j = v . tanh(W query + U key_j + w c_j + b)`.

    c_j is the coverage, the sum of the weights that position j got in all
    steps before: what was attended to need not be attended to again. Train
    with `keras_attention.losses.coverage_loss` beside the main loss.

    Source: See, Liu and Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks", 2017, with no coverage before the first step.

    Args:
        units: the size U of the common space; by default the query's size.
        initial_alignment: what the coverage starts from: `"zeros"`,
            `"uniform"` over the real positions (ESPnet) or `"first"`.
        **kwargs: of `Additive`; `use_bias` is True here.

    Raises:
        ValueError: for `units` that are not positive and another alignment.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.Coverage(8))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(self, units=None, initial_alignment="zeros", **kwargs):
        super().__init__(units, initial_alignment, **kwargs)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        units = self.v.shape[0]
        self.coverage = self.add_weight(shape=(1, units), autocast=False, name="coverage")

    def next_state(self, state, weights):
        return state + weights

    def features(self, state):
        return ops.expand_dims(state, -1) * ops.cast(self.coverage, state.dtype)
