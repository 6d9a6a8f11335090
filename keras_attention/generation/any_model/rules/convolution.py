"""Convolutions over the positions of the target."""

from __future__ import annotations

from keras_attention.generation.any_model.cut import Call
from keras_attention.generation.any_model.rules.base import (
    NoStepRuleError,
    NotCausalError,
    StepRule,
)
from keras_attention.generation.any_model.rules.plain import Plain
from keras_attention.generation.any_model.rules.prefix import OnPrefix


def convolution_rule(call: Call) -> StepRule:
    """A causal convolution runs on the positions that its kernel reaches."""
    layer = call.operation
    size, stride, dilation = layer.kernel_size[0], layer.strides[0], layer.dilation_rate[0]
    if stride != 1 or not call.inputs[0].has_time:
        raise NoStepRuleError(
            f"model: expected strides of 1 over the positions of the target, received layer "
            f"{call.name!r} with strides={stride}."
        )
    if size == 1:
        return Plain()
    if layer.padding == "same":
        raise NotCausalError(
            call.name, "a convolution with padding='same' (padding='causal' is causal)"
        )
    if layer.padding != "causal":
        raise NoStepRuleError(
            f"model: expected padding='causal' for a convolution over the target, received layer "
            f"{call.name!r} with padding={layer.padding!r}."
        )
    return OnPrefix(call, reach=(size - 1) * dilation + 1)
