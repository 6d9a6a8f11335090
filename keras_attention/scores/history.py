"""Scores that depend on the weights of earlier steps: location and coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import ops

from keras_attention._core.checks import check_choice, check_positive
from keras_attention._core.memory import Memory, initial_alignment
from keras_attention._core.types import Config, Shape, Structure, Tensor
from keras_attention.scores.additive import Additive

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.scores.additive import AdditiveOptions

    InitialAlignment = Literal["zeros", "uniform", "first"]


class _HistoryScore(Additive):
    """An additive score that adds features of earlier weights to the projected keys."""

    def __init__(
        self,
        units: int | None,
        initial_alignment: InitialAlignment,
        use_bias: bool = True,
        **kwargs: Unpack[AdditiveOptions],
    ) -> None:
        super().__init__(units, use_bias=use_bias, **kwargs)
        check_choice("initial_alignment", initial_alignment, ("zeros", "uniform", "first"))
        self.initial_alignment = initial_alignment

    def initial_state(self, memory: Memory) -> Structure:
        return initial_alignment(self.initial_alignment, memory)

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        self._require_state(state)
        return super().compare(query, keys + self.features(state))

    def features(self, state: Structure) -> Tensor:
        """The features `(B, Tk, U)` of a state, to be added to the projected keys."""
        raise NotImplementedError

    def _kernel_of_features(self, name: str, shape: Shape) -> keras.Variable:
        options = self._kernel.for_weight()
        # The initializer that these kernels have always had, whatever that of the others is.
        return self.add_weight(
            **{**options, "initializer": None}, shape=shape, autocast=False, name=name
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "initial_alignment": self.initial_alignment}


@keras.saving.register_keras_serializable(package="keras_attention")
class Location(_HistoryScore):
    """Location-sensitive score: `score_j = v . tanh(W query + U key_j + V f_j + b)`.

    f is a convolution over the weights of the previous step, so that the score
    depends on where attention was. Positions form a sequence; padding is
    expected at the end. The gradient flows through the weights.

    Source: Chorowski et al., "Attention-Based Models for Speech Recognition",
    2015 (10 filters of width 201). The paper does not define the weights before
    the first step; here they are uniform over the real positions, as in ESPnet
    and SpeechBrain.

    Args:
        units: the size U of the common space; by default the query's size.
        filters: the number of filters.
        kernel_size: the width of a filter, in positions.
        initial_alignment: `"uniform"` over the real positions, `"zeros"`, or
            `"first"`: weight 1 at the first real position.
        **kwargs: of `Additive`; `use_bias` is True by default. The regularizer
            and the constraint of kernels apply to V and the filters too.

    Raises:
        ValueError: for sizes that are not positive, or an unknown alignment.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.Location(8, filters=2, kernel_size=3))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(
        self,
        units: int | None = None,
        filters: int = 32,
        kernel_size: int = 31,
        initial_alignment: InitialAlignment = "uniform",
        use_bias: bool = True,
        **kwargs: Unpack[AdditiveOptions],
    ) -> None:
        super().__init__(units, initial_alignment, use_bias, **kwargs)
        self.filters = check_positive("filters", filters)
        self.kernel_size = check_positive("kernel_size", kernel_size)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        super().build(query_shape, key_shape)
        units = self.v.shape[0]
        self.convolution = self._kernel_of_features(
            "filters", (self.kernel_size, self._channels, self.filters)
        )
        self.feature_projection = self._kernel_of_features(
            "feature_projection", (self.filters, units)
        )

    _channels = 1

    def next_state(self, state: Structure, weights: Tensor, query: Tensor) -> Structure:
        return weights

    def features(self, state: Structure) -> Tensor:
        return self._convolved(ops.expand_dims(state, -1))

    def _convolved(self, alignments: Tensor) -> Tensor:
        filters = ops.cast(self.convolution, alignments.dtype)
        found = ops.conv(alignments, filters, padding="same", data_format="channels_last")
        return ops.matmul(found, ops.cast(self.feature_projection, alignments.dtype))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class CumulativeLocation(Location):
    """Location-sensitive score that also depends on the sum of all weights so far.

    As `Location`, with f a convolution over two channels: the weights of the
    previous step, and the sum of the weights of all previous steps.

    Source: Shen et al., "Natural TTS Synthesis by Conditioning WaveNet on Mel
    Spectrogram Predictions" (Tacotron 2), 2018: 32 filters of width 31, zeros
    before the first step.

    Args:
        units, filters, kernel_size, use_bias, **kwargs: as in `Location`.
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

    def __init__(
        self,
        units: int | None = None,
        filters: int = 32,
        kernel_size: int = 31,
        initial_alignment: InitialAlignment = "zeros",
        use_bias: bool = True,
        **kwargs: Unpack[AdditiveOptions],
    ) -> None:
        super().__init__(units, filters, kernel_size, initial_alignment, use_bias, **kwargs)

    def initial_state(self, memory: Memory) -> Structure:
        return (super().initial_state(memory),) * 2

    def next_state(self, state: Structure, weights: Tensor, query: Tensor) -> Structure:
        _, total = state
        return weights, total + weights

    def features(self, state: Structure) -> Tensor:
        return self._convolved(ops.stack(state, axis=-1))


@keras.saving.register_keras_serializable(package="keras_attention")
class Coverage(_HistoryScore):
    """Coverage score: `score_j = v . tanh(W query + U key_j + w c_j + b)`.

    c_j is the coverage, the sum of the weights of position j over all previous
    steps. It lets the model avoid attending to the same position twice. Train
    with `keras_attention.losses.coverage_loss` besides the main loss.

    Source: See, Liu and Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks", 2017, with no coverage before the first step.

    Args:
        units: the size U of the common space; by default the query's size.
        initial_alignment: the coverage before the first step: `"zeros"`,
            `"uniform"` over the real positions (ESPnet) or `"first"`.
        **kwargs: of `Additive`; `use_bias` is True by default. The regularizer
            and the constraint of kernels apply to w too.

    Raises:
        ValueError: for `units` that are not positive, or an unknown alignment.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.Coverage(8))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(
        self,
        units: int | None = None,
        initial_alignment: InitialAlignment = "zeros",
        use_bias: bool = True,
        **kwargs: Unpack[AdditiveOptions],
    ) -> None:
        super().__init__(units, initial_alignment, use_bias, **kwargs)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        super().build(query_shape, key_shape)
        self.coverage = self._kernel_of_features("coverage", (1, self.v.shape[0]))

    def next_state(self, state: Structure, weights: Tensor, query: Tensor) -> Structure:
        return state + weights

    def features(self, state: Structure) -> Tensor:
        return ops.expand_dims(state, -1) * ops.cast(self.coverage, state.dtype)
