"""MeanState: the initial state of a decoder, computed from the mean feature of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_attention._core.checks import check_features, check_positive, check_size
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Activation, Config, LayerOptions, Shape, Tensor
from keras_attention.vision.positions import check_features_and_mask, mean_over_positions

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class MeanState(QuantizedParts):
    """Computes the initial state of a decoder from the mean feature of an image.

        mean    = 1/n sum_j features_j                 over the n unmasked positions
        mean    = relu(W mean + b)                     if `hidden` is given
        state_i = activation(W_i mean + b_i)           for each state tensor of the cell

    An LSTM cell takes two states, h_0 and c_0. Each has its own weights; the
    hidden layer is shared. If all positions are masked, the mean is zero.

    Source: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation
    with Visual Attention", 2015, section 3.1.2.

    Args:
        sizes: the sizes of the states, like a cell's `state_size`: an integer
            or a list of integers.
        hidden: units of the hidden layer, or None for no hidden layer.
        activation: activation of the states.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: `(B, H, W, D)`, or regions `(B, S, D)`.
        mask: `(B, H, W)` or `(B, S)`, True for real positions. In the
            functional API Keras passes it on.

    Returns:
        A list of states `(B, size)`, suitable as `initial_state` of
        `AttentionRNN`.

    Raises:
        ValueError: if a size is not positive, or if features and mask do not
            have fitting shapes.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import vision
    >>> cell = keras.layers.LSTMCell(16)
    >>> states = vision.MeanState(cell.state_size)(np.ones((2, 3, 3, 8)))
    >>> [tuple(state.shape) for state in states]
    [(2, 16), (2, 16)]
    """

    def __init__(
        self,
        sizes: int | Sequence[int],
        hidden: int | None = None,
        activation: Activation = "tanh",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        given: Sequence[Any] = sizes if isinstance(sizes, (list, tuple)) else [sizes]
        if not given:
            raise ValueError("sizes: expected one positive integer or more, received [].")
        self.sizes = [check_positive("sizes", size) for size in given]
        self.hidden = None if hidden is None else check_positive("hidden", hidden)
        self.activation = keras.activations.get(activation)
        self.supports_masking = True

    def build(self, features_shape: Shape) -> None:
        check_features(features=features_shape)
        self._size = size = features_shape[-1]

        def dense(units: int, activation: Activation, name: str) -> keras.layers.Dense:
            layer = keras.layers.Dense(
                units,
                activation=activation,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            layer.build((None, size))
            return layer

        self.hidden_layer = None
        if self.hidden is not None:
            self.hidden_layer = dense(self.hidden, "relu", "hidden")
            size = self.hidden
        self.state_layers = [
            dense(units, self.activation, f"state_{i}") for i, units in enumerate(self.sizes)
        ]
        self.built = True

    def call(self, features: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        self._check(features, mask)
        features = ops.convert_to_tensor(features, dtype=self.compute_dtype)
        mean = ops.cast(mean_over_positions(features, mask), self.compute_dtype)
        if self.hidden_layer is not None:
            mean = self.hidden_layer(mean)
        return [layer(mean) for layer in self.state_layers]

    def _check(self, features: Tensor, mask: Tensor | None) -> None:
        check_features_and_mask(features, mask)
        if self.built:
            check_size("features", features, self._size)

    def compute_output_spec(self, features: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        self._check(features, mask)
        return [
            keras.KerasTensor((features.shape[0], size), dtype=self.compute_dtype)
            for size in self.sizes
        ]

    def compute_output_shape(self, features_shape: Shape) -> list[Shape]:
        return [(features_shape[0], size) for size in self.sizes]

    def compute_mask(self, features: Tensor, previous_mask: Tensor | None = None) -> None:
        # The states have no positions.
        return None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "hidden": self.hidden,
            "activation": keras.activations.serialize(self.activation),
        }
