"""TopDownRNN: one cell decides where to look, another what to say."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention._core.checks import check_features
from keras_attention._core.protocols import as_mechanism
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.vision.positions import mean_over_positions


@keras.saving.register_keras_serializable(package="keras_attention")
class TopDownRNN(AttentionRNN):
    """An `AttentionRNN` of two cells: the lower one attends, the upper one speaks.

        h1_t      = cell([x_t; h2_{t-1}; mean], h1_{t-1})
        context_t = attention(h1_t, memory)
        h2_t      = language_cell([h1_t; context_t], h2_{t-1})

    What is returned is h2_t. The mean is that of the real positions of the
    value, taken once a sequence. Of the numbers that enter a cell the paper
    writes another order, `[h2; mean; x]` and `[context; h1]`, which is a
    permutation of the rows of its kernel.

    Source: Anderson et al., "Bottom-Up and Top-Down Attention for Image
    Captioning and Visual Question Answering", 2018: LSTM cells, additive
    attention without a gate, and regions of a detector as the value.

    Args:
        cell: the lower cell, which asks.
        attention: an `Attention`.
        language_cell: the upper cell.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        As `AttentionRNN`, whose steps, states and memory this has; the first
        state is that of the lower cell, then that of the upper one.

    Returns:
        As `AttentionRNN`: h2 `(B, T, units)`, and on request the weights and
        the last state.

    Raises:
        ValueError: as `AttentionRNN`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import BahdanauAttention, vision
    >>> lower, upper = keras.layers.LSTMCell(16), keras.layers.LSTMCell(12)
    >>> decoder = vision.TopDownRNN(lower, BahdanauAttention(8), upper)
    >>> words, regions = np.ones((2, 5, 4)), np.ones((2, 36, 8))
    >>> outputs, weights = decoder(words, regions, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(weights.shape)
    ((2, 5, 12), (2, 5, 36))
    """

    def __init__(self, cell, attention, language_cell, **kwargs):
        attention = _WithMean(attention, dtype=kwargs.get("dtype"), name="with_mean")
        super().__init__(cell, attention, upper_cells=[language_cell], **_FIXED, **kwargs)

    def build(self, sequence_shape, value_shape):
        check_features(sequence=sequence_shape, value=value_shape)
        joined = (*sequence_shape[:-1], sequence_shape[-1] + value_shape[-1])
        super().build(joined, value_shape)
        self._sequence_size = sequence_shape[-1]

    def _step(self, inputs, memory, state, training, noise, beams=1):
        mean = memory.mean if beams == 1 else ops.repeat(memory.mean, beams, axis=0)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        joined = ops.concatenate([inputs, ops.cast(mean, self.compute_dtype)], axis=-1)
        return super()._step(joined, memory, state, training, noise, beams)

    def get_config(self):
        config = super().get_config()
        (config["language_cell"],) = config.pop("upper_cells")
        config["attention"] = config["attention"]["config"]["attention"]
        return {name: part for name, part in config.items() if name not in _FIXED}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("cell", "attention", "language_cell"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_attention")
def _output_alone(output, context):
    return output


# What makes an `AttentionRNN` a top-down one.
_FIXED = {
    "attend": "after",
    "input_feeding": True,
    "attention_layer": None,
    "attention_fn": _output_alone,
    "output_attention": True,
}


class _MeanMemory(NamedTuple):
    """A memory, and the mean `(B, D)` of its values."""

    memory: Any
    mean: Any


@keras.saving.register_keras_serializable(package="keras_attention")
class _WithMean(keras.layers.Layer):
    """An attention whose memory keeps the mean of the values too."""

    def __init__(self, attention, **kwargs):
        super().__init__(**kwargs)
        as_mechanism(attention)
        self.attention = attention

    def build(self, query_shape, value_shape):
        if not self.attention.built:
            self.attention.build(query_shape, value_shape)
            self.attention.built = True
        self.built = True

    def memory(self, value, key=None, mask=None):
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        mean = ops.cast(mean_over_positions(value, mask), self.compute_dtype)
        return _MeanMemory(as_mechanism(self.attention).memory(value, key, mask), mean)

    def initial_state(self, memory):
        return as_mechanism(self.attention).initial_state(memory.memory)

    def noise(self, memory, steps, training=True):
        return as_mechanism(self.attention).noise(memory.memory, steps, training)

    def step(self, query, memory, state=None, noise=None):
        return as_mechanism(self.attention).step(query, memory.memory, state, noise)

    def attend(self, query, memory, state=None, query_mask=None, noise=None):
        mechanism = as_mechanism(self.attention)
        return mechanism.attend(query, memory.memory, state, query_mask, noise)

    def context_size(self, value_size):
        return as_mechanism(self.attention).context_size(value_size)

    def get_config(self):
        attention = keras.saving.serialize_keras_object(self.attention)
        return {**super().get_config(), "attention": attention}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        attention = keras.saving.deserialize_keras_object(
            config["attention"], custom_objects=custom_objects
        )
        return cls(**{**config, "attention": attention})
