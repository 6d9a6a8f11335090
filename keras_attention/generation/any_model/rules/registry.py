"""Which rule a layer has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_attention.generation.any_model.cut import Call
from keras_attention.generation.any_model.rules import keras_layers
from keras_attention.generation.any_model.rules.attention import attention_rule
from keras_attention.generation.any_model.rules.base import StepRule
from keras_attention.generation.any_model.rules.convolution import convolution_rule
from keras_attention.generation.any_model.rules.plain import Plain, dense_rule
from keras_attention.generation.any_model.rules.recurrent import (
    KerasRNN,
    OneStep,
    refuse_bidirectional,
)
from keras_attention.generation.any_model.rules.transformer import block_rule
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.decoder_block import TransformerDecoderBlock

_OURS: dict[type, Callable[[Call], Any]] = {
    keras.layers.RNN: KerasRNN.of,
    keras.layers.Bidirectional: refuse_bidirectional,
    AttentionRNN: OneStep,
    Attention: attention_rule,
    TransformerDecoderBlock: block_rule,
    keras.layers.Attention: keras_layers.attention_rule,
    keras.layers.MultiHeadAttention: keras_layers.heads_rule,
    keras.layers.GroupQueryAttention: keras_layers.heads_rule,
    keras.layers.Conv1D: convolution_rule,
    keras.layers.Dense: dense_rule,
    keras.layers.SeparableConv1D: convolution_rule,
    keras.layers.DepthwiseConv1D: convolution_rule,
}
_REGISTERED: dict[type, StepRule] = {}


def register_step_rule(layer_class: type[keras.layers.Layer], rule: StepRule) -> None:
    """Gives a class of layers, and its subclasses, a rule for one step of decoding.

    It comes before the rules of this package. A functional model with such
    layers on the side of its target then decodes one position at a time, see
    `as_decoder`.

    Args:
        layer_class: a subclass of `keras.layers.Layer`.
        rule: a `StepRule`, which shows an example.

    Raises:
        ValueError: for something that is no class of layers, or no rule.

    Example:

    A layer without a state may be called as it is.

    >>> import keras
    >>> from keras_attention.generation import register_step_rule
    >>> class Scaled(keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return 2.0 * inputs
    >>> class AsItIs:
    ...     def start(self, layer, arguments, batch):
    ...         return None, None
    ...     def step(self, layer, arguments, memory, state, beams):
    ...         return layer(*arguments.args, **arguments.kwargs), None, None
    >>> register_step_rule(Scaled, AsItIs())
    """
    if not isinstance(layer_class, type) or not issubclass(layer_class, keras.layers.Layer):
        raise ValueError(
            f"layer_class: expected a subclass of keras.layers.Layer, received {layer_class!r}."
        )
    if isinstance(rule, type) or not isinstance(rule, StepRule):
        raise ValueError(
            "rule: expected a keras_attention.generation.StepRule, an object with the methods "
            f"start and step, received {rule!r}."
        )
    _REGISTERED[layer_class] = rule


def rule_of(call: Call) -> StepRule:
    """The rule for a call: the user's, that of this package, or `Plain`."""
    classes = type(call.operation).__mro__
    for one in classes:
        if one in _REGISTERED:
            return _REGISTERED[one]
    for one in classes:
        if one in _OURS:
            return _OURS[one](call)
    return Plain()
