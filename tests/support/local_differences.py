"""Where the steps of a model differ from its forward pass: call by call."""

from __future__ import annotations

from keras import ops, tree

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.cut import Call, Value
from keras_attention.generation.any_model.graph import mask_of, set_mask
from keras_attention.generation.any_model.rules.base import StepRule
from keras_attention.generation.any_model.stepwise import StepwiseDecoder, run


def local_differences(
    decoder: StepwiseDecoder, inputs: Structure, target: Tensor
) -> dict[str, float]:
    """The largest difference that the rule of each call makes by itself, by name.

    Each call runs step by step on the inputs that it has in the forward pass,
    so that a wrong result shows at the call that makes it and at no other.
    Infinite where a step fails, or gives another shape.

    Args:
        decoder: of the model.
        inputs: the sources, as `decoder.start` takes them.
        target: ids `(B, T)`, without padding.
    """
    masks: dict[Call, dict[Value, Tensor | None]] = {}
    values = _forward(decoder, inputs, target, masks)
    batch = ops.shape(ops.convert_to_tensor(target))[0]
    found = {}
    for call, rule in decoder.steps:
        for value, mask in masks[call].items():
            set_mask(values[value], mask)
        try:
            found[call.name] = _difference(decoder, call, rule, values, batch)
        except Exception:
            found[call.name] = float("inf")
    return found


def _forward(
    decoder: StepwiseDecoder,
    inputs: Structure,
    target: Tensor,
    masks: dict[Call, dict[Value, Tensor | None]],
) -> dict[Value, Tensor]:
    """All tensors of the forward pass. Adds to `masks` those of the inputs of every call."""
    values, _ = decoder.sources(inputs)
    entry = decoder.cut.inputs[decoder.ports.target]
    values[entry] = ops.convert_to_tensor(target, dtype=entry.spec.dtype)
    # In the order of the model, since some of Keras' layers take masks away from their inputs.
    for call in decoder.cut.calls:
        masks[call] = {value: mask_of(values[value]) for value in call.inputs}
        run(call, values)
    return values


def _difference(
    decoder: StepwiseDecoder,
    call: Call,
    rule: StepRule,
    values: dict[Value, Tensor],
    batch: int | Tensor,
) -> float:
    static = {v: x for v, x in values.items() if not v.moves}
    memory, state = rule.start(call.operation, decoder.given(call, static), batch)
    length = max((values[v].shape[1] for v in call.inputs if v.has_time), default=1)
    given = static if decoder.reads_sources(rule) else {}
    steps = []
    for t in range(length):
        now = dict(given)
        now.update({v: _position(values[v], v, t) for v in call.inputs if v.moves})
        arguments = decoder.given(call, now, missing=True)
        outputs, state, _ = rule.step(call.operation, arguments, memory, state, 1)
        steps.append(tree.flatten(outputs))
    largest = 0.0
    for i, value in enumerate(call.outputs):
        got = ops.convert_to_numpy(ops.cast(_joined(value, [x[i] for x in steps]), "float32"))
        want = ops.convert_to_numpy(ops.cast(values[value], "float32"))
        if got.shape != want.shape:
            # Positions on another axis, as in weights (B, heads, T, S): the last of them.
            axes = [i for i, (one, all_) in enumerate(zip(got.shape, want.shape)) if one != all_]
            if got.ndim != want.ndim or len(axes) != 1 or got.shape[axes[0]] != 1:
                return float("inf")
            want = want.take([-1], axis=axes[0])
        largest = max(largest, float(abs(got - want).max(initial=0.0)))
    return largest


def _position(x: Tensor, value: Value, t: int) -> Tensor:
    if not value.has_time:
        return x
    one, mask = x[:, t : t + 1], mask_of(x)
    if mask is not None:
        set_mask(one, mask[:, t : t + 1])
    return one


def _joined(value: Value, steps: list[Tensor]) -> Tensor:
    return ops.concatenate(steps, axis=1) if value.has_time else steps[-1]
