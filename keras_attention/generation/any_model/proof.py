"""Whether a decoder gives the numbers of its model, and whether a model is causal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.calling import Caller, logits_of
from keras_attention.generation.any_model.cut import Call, Cut, Value
from keras_attention.generation.any_model.examples import random_target
from keras_attention.generation.any_model.graph import is_functional, names_of
from keras_attention.generation.any_model.ports import TARGET_LENGTH, Ports
from keras_attention.generation.any_model.rules.base import NotCausalError
from keras_attention.generation.any_model.stepwise import StepwiseDecoder, run
from keras_attention.generation.decoder import Decoder

# Log-probabilities below this are all alike.
_LOWEST = -60.0
# What rounding may change, by the dtype that a model computes in.
_TOLERANCES = {"float32": 1e-4, "float64": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
# Not even on hardware that multiplies float32 in fewer bits.
_LARGEST = 1e-2
# The first target position that is changed to see what reads it too early.
_CHANGED = 4


class Trial(NamedTuple):
    """The forward pass of a model on a random batch, which its decoder must repeat.

    Attributes:
        sources: two examples, by name.
        ids: their targets `(2, T)`, the start first.
        logp: log-probabilities `(2, T, V)` of the model.
        tolerance: the largest difference that rounding explains.
        probabilities: whether the outputs are probabilities.
    """

    sources: dict[str, Tensor]
    ids: Tensor
    logp: np.ndarray
    tolerance: float
    probabilities: bool


def try_model(
    model: Callable[..., Structure], ports: Ports, sources: dict[str, Tensor], detect: bool = True
) -> Trial:
    """Runs a model on sources and a random target, and checks that it is causal.

    Two things must not change its results at earlier positions: other tokens at
    later ones, and that there are no later ones.

    Args:
        model: the model.
        ports: its inputs and outputs.
        sources: two examples, by name.
        detect: whether outputs that sum to 1 are taken for probabilities.

    Raises:
        ValueError: where the model is not causal, naming the layer if it has a
            graph; where its logits have no known last size or another length
            than the target.
    """
    call, length = Caller(model, ports), TARGET_LENGTH
    sources = {name: ops.convert_to_tensor(x) for name, x in sources.items()}
    if is_functional(model):
        length = names_of(model)[ports.target].shape[1] or TARGET_LENGTH
    start = ops.full((2, length), ports.special_ids.start, dtype="int32")
    first = call(sources, start)[ports.logits]
    _check_logits(first, length)
    ids = random_target(model, ports, first.shape[-1], length)
    outputs = call(sources, ids)[ports.logits]
    probabilities = ports.probabilities or (detect and _sum_to_one(outputs))
    logp = log_probabilities(outputs, probabilities)
    tolerance = tolerance_of(model, outputs) * max(1.0, float(np.abs(logp).max()) / 10)
    if length > 1:
        at = min(_CHANGED, length - 1)
        changed = np.array(ids)
        changed[:, at:] = np.roll(changed[:, at:], 1, axis=0)
        # Where both examples have the same token, another one.
        same = changed[:, at:] == np.array(ids)[:, at:]
        changed[:, at:] = np.where(same, ports.special_ids.end, changed[:, at:])
        changed = ops.convert_to_tensor(changed)
        again = log_probabilities(call(sources, changed)[ports.logits], probabilities)
        if _difference(logp[:, :at], again[:, :at]) > tolerance:
            raise NotCausalError(*_first_that_looks_ahead(model, ports, sources, ids, changed, at))
        if not is_functional(model) or names_of(model)[ports.target].shape[1] is None:
            cut = log_probabilities(call(sources, ids[:, :at])[ports.logits], probabilities)
            rounding = _difference(logp[:, :at], cut)
            if rounding > max(tolerance, _LARGEST):
                raise NotCausalError(
                    _name_of(model), "whose results depend on the number of later positions"
                )
            tolerance = max(tolerance, 4 * rounding)
    return Trial(sources, ids, logp, tolerance, probabilities)


def largest_difference(decoder: Decoder, trial: Trial) -> float:
    """The largest difference of a decoder's log-probabilities from those of the forward pass.

    From the second step on two beams share the memory of each example.
    """
    state = decoder.start(trial.sources)
    largest, beams = 0.0, 1
    for t in range(trial.ids.shape[1]):
        tokens = ops.repeat(trial.ids[:, t], beams, axis=0)
        logits, state, _ = decoder.step(tokens, state, beams=beams)
        found = log_probabilities(logits, probabilities=False)
        expected = np.repeat(trial.logp[:, t], beams, axis=0)
        largest = max(largest, _difference(found, expected))
        if beams == 1:
            beams, state = 2, _for_two_beams(state)
    return largest


def first_that_differs(decoder: StepwiseDecoder, trial: Trial) -> Call | None:
    """The first call of the target side whose steps give other numbers than the forward pass."""
    whole = values_of(decoder.cut, trial.sources, trial.ids, decoder)
    state = decoder.start(trial.sources)
    beams = 1
    differ: set[Call] = set()
    for t in range(trial.ids.shape[1]):
        tokens = ops.repeat(trial.ids[:, t], beams, axis=0)
        values, state, _ = decoder.run_step(tokens, state, beams=beams)
        for call in decoder.cut.stepped:
            for value in call.outputs:
                if value.has_time and _differ(values[value][::beams, 0], whole[value][:, t]):
                    differ.add(call)
        if beams == 1:
            beams, state = 2, _for_two_beams(state)
    return next((call for call in decoder.cut.stepped if call in differ), None)


def values_of(
    cut: Cut, sources: Mapping[str, Tensor], ids: Tensor, decoder: StepwiseDecoder | None = None
) -> dict[Value, Tensor]:
    """All tensors of the graph of a model, of whole sequences."""
    values = {
        value: ops.convert_to_tensor(sources.get(name, ids)) for name, value in cut.inputs.items()
    }
    values = {value: ops.cast(x, value.spec.dtype) for value, x in values.items()}
    for call in (*cut.once, *cut.stepped):
        run(call, values)
    return values


def log_probabilities(outputs: Tensor, probabilities: bool) -> np.ndarray:
    """The log-probabilities of logits or probabilities, none below -60."""
    logits = logits_of(outputs, probabilities)
    logp = logits if probabilities else ops.log_softmax(logits, axis=-1)
    return np.maximum(ops.convert_to_numpy(logp), _LOWEST)


def tolerance_of(model: object, outputs: Tensor) -> float:
    """What rounding may change in log-probabilities."""
    dtypes = {keras.backend.standardize_dtype(outputs.dtype)}
    if isinstance(model, keras.layers.Layer):
        dtypes |= _compute_dtypes(model)
    return max(_TOLERANCES.get(dtype, 1e-4) for dtype in dtypes)


def _compute_dtypes(layer: keras.layers.Layer) -> set[str]:
    return {one.compute_dtype for one in layer._flatten_layers()}


def _for_two_beams(state: dict[str, Structure]) -> dict[str, Structure]:
    decoder = map_tensors(lambda x: ops.repeat(x, 2, axis=0), state["decoder"])
    return {**state, "decoder": decoder}


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return float("inf")
    difference = np.abs(a - b)
    # NaN in both is no evidence; in one of them it is a difference.
    difference = np.where(np.isnan(a) & np.isnan(b), 0.0, difference)
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _differ(a: Tensor, b: Tensor) -> bool:
    a, b = (ops.convert_to_numpy(ops.cast(x, "float32")) for x in (a, b))
    return _difference(a, b) > 1e-4 * max(1.0, float(np.abs(b).max(initial=0.0)))


def _check_logits(outputs: Tensor, length: int) -> None:
    shape = tuple(outputs.shape)
    if len(shape) != 3 or shape[1] != length:
        raise ValueError(
            f"model: expected logits (batch, length, vocabulary), one position for each of the "
            f"target, {(2, length)}, received an output of shape {shape}."
        )


def _sum_to_one(outputs: Tensor) -> bool:
    x = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    return bool((x >= 0).all() and np.abs(x.sum(-1) - 1).max() < 1e-2)


def _name_of(model: object) -> str:
    return model.name if isinstance(model, keras.layers.Layer) else repr(model)


def _first_that_looks_ahead(
    model: object, ports: Ports, sources: dict[str, Tensor], ids: Tensor, changed: Tensor, at: int
) -> tuple[str, str]:
    """The name of the first layer whose early positions change with later tokens, and how."""
    why = f"whose results at positions before {at} change with the tokens from there on"
    if not is_functional(model):
        return _name_of(model), why
    cut = Cut(model, ports.target, {ports.logits})
    before, after = (values_of(cut, sources, x) for x in (ids, changed))
    length = ids.shape[1]
    pooled: list[Call] = []
    for call in cut.stepped:
        timed = [v for v in call.outputs if v.has_time]
        if any(_differ(before[v][:, :at], after[v][:, :at]) for v in timed):
            guilty = [p for p in pooled if _depends(cut, call, p)]
            return (guilty[0] if guilty else call).name, why
        # Without an axis of positions, as pooling gives.
        shapes = [tuple(before[v].shape) for v in call.outputs]
        is_pooled = not timed and all(x[:1] == (2,) and length not in x[1:] for x in shapes)
        if is_pooled and any(_differ(before[v], after[v]) for v in call.outputs):
            pooled.append(call)
    return _name_of(model), why


def _depends(cut: Cut, call: Call, on: Call) -> bool:
    """Whether a call reads, directly or through others, what another computes."""
    made = {value: one for one in cut.stepped for value in one.outputs}
    waiting, seen = [call], set()
    while waiting:
        one = waiting.pop()
        if one is on:
            return True
        for value in one.inputs:
            if value in made and value not in seen:
                seen.add(value)
                waiting.append(made[value])
    return False
