"""MeanState: a decoder starts from what the whole image shows."""

import keras
from keras import ops

from keras_attention._core.checks import check_features, check_positive, check_size
from keras_attention.vision.positions import check_features_and_mask, mean_over_positions


@keras.saving.register_keras_serializable(package="keras_attention")
class MeanState(keras.layers.Layer):
    """The first state of a decoder, from the mean feature of an image.

        mean    = 1/n sum_j features_j                 over the n real positions
        mean    = relu(W mean + b)                     where `hidden` is given
        state_i = activation(W_i mean + b_i)           one a tensor of the cell's state

    An LSTM cell takes two such states, h_0 and c_0; each has weights of its own
    and they share the hidden layer. Where every position is masked the mean is
    zero.

    Source: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation
    with Visual Attention", 2015, section 3.1.2.

    Args:
        sizes: the sizes of the states, as a cell's `state_size`: a list, or one
            integer.
        hidden: the size of a hidden layer, or None for none.
        activation: of the states: any Keras activation.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        features: `(B, H, W, D)`, or regions `(B, S, D)`.
        mask: `(B, H, W)` or `(B, S)`, True for real positions. In the
            functional API Keras fills it in.

    Returns:
        A list of states `(B, size)`, what `AttentionRNN` takes as
        `initial_state`.

    Raises:
        ValueError: for sizes that are not positive, and features or masks that
            do not fit.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import vision
    >>> cell = keras.layers.LSTMCell(16)
    >>> states = vision.MeanState(cell.state_size)(np.ones((2, 3, 3, 8)))
    >>> [tuple(state.shape) for state in states]
    [(2, 16), (2, 16)]
    """

    def __init__(self, sizes, hidden=None, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        sizes = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
        if not sizes:
            raise ValueError("sizes: expected one positive integer or more, received [].")
        for size in sizes:
            check_positive("sizes", size)
        if hidden is not None:
            check_positive("hidden", hidden)
        self.sizes = sizes
        self.hidden = hidden
        self.activation = keras.activations.get(activation)
        self.supports_masking = True

    def build(self, features_shape):
        check_features(features=features_shape)
        self._size = size = features_shape[-1]

        def dense(units, activation, name):
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

    def call(self, features, mask=None):
        self._check(features, mask)
        features = ops.convert_to_tensor(features, dtype=self.compute_dtype)
        mean = ops.cast(mean_over_positions(features, mask), self.compute_dtype)
        if self.hidden_layer is not None:
            mean = self.hidden_layer(mean)
        return [layer(mean) for layer in self.state_layers]

    def _check(self, features, mask):
        check_features_and_mask(features, mask)
        if self.built:
            check_size("features", features, self._size)

    def compute_output_spec(self, features, mask=None):
        self._check(features, mask)
        return [
            keras.KerasTensor((features.shape[0], size), dtype=self.compute_dtype)
            for size in self.sizes
        ]

    def compute_output_shape(self, features_shape):
        return [(features_shape[0], size) for size in self.sizes]

    def compute_mask(self, features, previous_mask=None):
        # The positions are gone.
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "hidden": self.hidden,
            "activation": keras.activations.serialize(self.activation),
        }
