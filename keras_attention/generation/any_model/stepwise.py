"""A functional model as a decoder: its source side runs once, its target side step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import keras
from keras import ops, tree

from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.any_model.calling import logits_of
from keras_attention.generation.any_model.cut import Call, Cut, Value
from keras_attention.generation.any_model.graph import (
    is_comparison,
    mask_of,
    numbers_of_source_ids,
    set_mask,
)
from keras_attention.generation.any_model.ports import Ports
from keras_attention.generation.any_model.rules.attention import OverTarget
from keras_attention.generation.any_model.rules.base import Arguments, StepRule
from keras_attention.generation.any_model.rules.keras_layers import (
    LayerOverTarget,
    SingleOverTarget,
)
from keras_attention.generation.any_model.rules.memories import repeated
from keras_attention.generation.any_model.rules.multi_head import HeadsOverTarget
from keras_attention.generation.any_model.rules.plain import Plain
from keras_attention.generation.any_model.rules.prefix import OnPrefix
from keras_attention.generation.any_model.rules.registry import rule_of
from keras_attention.text.known_ids import known_ids
from keras_attention.text.special_ids import SpecialIds

# Self-attention.
_SELF = (OverTarget, SingleOverTarget, LayerOverTarget, HeadsOverTarget)


class StepwiseDecoder:
    """A `Decoder` made of a functional model, whose graph is cut where the target enters.

    What depends on the sources alone is computed once, in `start`. What depends
    on the target is computed one position at a time: every layer by its rule,
    see `register_step_rule`; a layer without a rule on one position, as it is.

    The state is `{"memory": ..., "decoder": ...}`: what steps read of the
    source side, and the states of the layers, by the names of their calls.

    Args:
        model: a functional model.
        ports: which input is the target and which output the logits.
        on_prefix: names of calls whose layers run on all their inputs so far at
            each step, because one position alone gives other numbers, such as
            position embeddings.

    Attributes:
        cut: the calls of the model, apart for the two sides.
        steps: the calls of the target side and their rules, in order.

    Raises:
        ValueError: if the model has no graph; `NotCausalError` for a layer that
            reads later positions of the target; `NoStepRuleError` for a call that
            cannot run one position at a time.
    """

    constant_parts: tuple[str, ...] = ("memory",)

    def __init__(self, model: keras.Model, ports: Ports, on_prefix: Collection[str] = ()) -> None:
        self.model, self.ports = model, ports
        self.on_prefix = frozenset(on_prefix)
        self._sizes = numbers_of_source_ids(model, ports.sources)
        outputs = {ports.logits} if ports.weights is None else {ports.logits, ports.weights}
        self.cut = Cut(model, ports.target, outputs)
        self._logits = self.cut.outputs[ports.logits]
        if not self._logits.moves:
            raise ValueError(
                f"model: expected logits that depend on the target {ports.target!r}, received an "
                "output that does not."
            )
        names = {call.name for call in self.cut.stepped}
        if not self.on_prefix <= names:
            raise ValueError(
                f"on_prefix: expected names of calls that depend on the target, "
                f"{sorted(names)}, received {sorted(self.on_prefix - names)}."
            )
        self.steps: list[tuple[Call, StepRule]] = [
            (call, OnPrefix(call) if call.name in self.on_prefix else rule_of(call))
            for call in self.cut.stepped
        ]
        self._unmasked, self._masks = self._calls_that_mask_padding()
        raw = [call for call, rule in self.steps if self.reads_sources(rule)]
        self._kept = dict.fromkeys(v for call in raw for v in call.inputs if not v.moves)

    @property
    def special_ids(self) -> SpecialIds:
        """The ids of padding, start, end and unknown tokens of the target."""
        return self.ports.special_ids

    @property
    def rules(self) -> dict[str, StepRule]:
        """The rule of every call that depends on the target, by the name of the call."""
        return {call.name: rule for call, rule in self.steps}

    def start(self, inputs: Structure) -> dict[str, Structure]:
        """The state before the first token.

        Args:
            inputs: the sources: a dictionary by name, in which a target is
                ignored; a list in the order of the model's inputs; or the only
                one.
        """
        values, batch = self.sources(inputs)
        for call in self.cut.once:
            run(call, values)
        memory: dict[str, Structure] = {}
        for value in self._kept:
            tensor = values[value]
            mask = mask_of(tensor)
            memory[value.name] = {"value": tensor} | ({} if mask is None else {"mask": mask})
        states: dict[str, Structure] = {}
        for call, rule in self.steps:
            its_memory, state = rule.start(call.operation, self.given(call, values), batch)
            if its_memory is not None:
                memory[call.name] = its_memory
            if state is not None:
                states[call.name] = state
        if not any(x is not None for x in tree.flatten((memory, states))):
            # A state tells a search the number of examples.
            states["position"] = ops.zeros((batch,), dtype="int32")
        return {"memory": memory, "decoder": states}

    def step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[Tensor, dict[str, Structure], Tensor | None]:
        """One step: logits `(B * beams, V)`, the next state, and weights `(B * beams, S)` or None.

        Args:
            tokens: ids `(B * beams,)`.
            state: of `start`, or of the step before.
            beams: the number of sequences, side by side, that share one row of
                the memory.
        """
        values, after, weights = self.run_step(tokens, state, beams)
        logits = values[self._logits]
        logits = logits[:, 0] if len(logits.shape) == 3 else logits
        return logits_of(logits, self.ports.probabilities), after, weights

    def run_step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[dict[Value, Tensor], dict[str, Structure], Tensor | None]:
        """As `step`, with every tensor of the target side, of one position, in place of logits."""
        memory, states = state["memory"], state["decoder"]
        values = {self.cut.inputs[self.ports.target]: self._target(tokens)}
        for value in self._kept:
            values[value] = self._shared(value, memory[value.name], beams)
        after = dict(states)
        masks: dict[Value, Tensor] = {}
        shown: dict[Call, Tensor] = {}
        for call, rule in self.steps:
            arguments = self.given(call, values, missing=True)
            outputs, its_state, weights = rule.step(
                call.operation, arguments, memory.get(call.name), states.get(call.name), beams
            )
            flat = tree.flatten(outputs)
            if len(flat) != len(call.outputs):
                raise ValueError(
                    f"rule: expected a step of layer {call.name!r} with {len(call.outputs)} "
                    f"results, received {len(flat)}."
                )
            if call in self._unmasked:
                set_mask(flat[0], None)
            elif not self.reads_sources(rule):
                _pass_mask(call.operation, arguments, flat)
            # A mask that is not among the values is None for the layer that takes it.
            (masks if call in self._masks else values).update(zip(call.outputs, flat))
            if call.name in states:
                after[call.name] = its_state
            if weights is not None:
                shown[call] = weights
        weights = self._weights(shown, values)
        return values | masks, {"memory": memory, "decoder": after}, weights

    def source_mask(self, inputs: Structure) -> Tensor | None:
        """The real positions `(B, S)` of the source, or None where all are real.

        Those that are not padding, if the weights are over the ids of one source.
        """
        values, _ = self.sources(inputs)
        ids = {
            name: values[value]
            for name, value in self.cut.inputs.items()
            if value in values and len(value.spec.shape) == 2 and name in self._attended()
        }
        if len(ids) != 1 or len(self._attended()) != 1:
            return None
        ((name, found),) = ids.items()
        if "int" not in str(self.cut.inputs[name].spec.dtype):
            return None
        return ops.not_equal(found, self.special_ids.pad)

    def sources(self, inputs: Structure) -> tuple[dict[Value, Tensor], int | Tensor]:
        """The tensors of the sources, and the number of examples."""
        names = self.ports.sources
        if isinstance(inputs, Mapping):
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(
                    f"inputs: expected the sources {', '.join(map(repr, names))}, received "
                    f"{', '.join(map(repr, inputs)) or 'nothing'}."
                )
            given = [inputs[name] for name in names]
        elif len(names) == 1:
            given = [inputs]
        else:
            if not isinstance(inputs, (list, tuple)) or len(inputs) != len(names):
                raise ValueError(
                    f"inputs: expected the sources {', '.join(map(repr, names))}, as a dictionary "
                    f"or a list, received {type(inputs).__name__}."
                )
            given = list(inputs)
        values = {}
        for name, x in zip(names, given):
            value = self.cut.inputs[name]
            x = _with_rank(ops.convert_to_tensor(x, dtype=value.spec.dtype), value)
            values[value] = known_ids(x, self._sizes.get(name), self.special_ids)
        return values, ops.shape(next(iter(values.values())))[0]

    def _calls_that_mask_padding(self) -> tuple[frozenset[Call], frozenset[Call]]:
        """Embeddings of the target with a mask, and calls that compute such a mask alone.

        The mask is False only behind the end of a sequence. Nobody reads a step
        there, so that layers need not keep their state at it.
        """
        if self.special_ids.pad != 0 or self.special_ids.start == 0:
            return frozenset(), frozenset()
        target = [self.cut.inputs[self.ports.target]]
        calls = [call for call, _ in self.steps if list(call.inputs) == target]
        embeddings = (c for c in calls if isinstance(c.operation, keras.layers.Embedding))
        masks = (c for c in calls if _tells_zeros(c) and self._is_mask(c.outputs[0]))
        return frozenset(embeddings), frozenset(masks)

    def _is_mask(self, value: Value) -> bool:
        """Whether layers read a tensor as their mask, and nothing reads it otherwise."""
        others = [call.args for call in self.cut.stepped]
        others += [
            x for c in self.cut.stepped for name, x in c.kwargs.items() if not name.endswith("mask")
        ]
        return not any(x is value for x in tree.flatten((others, list(self.cut.outputs.values()))))

    def _target(self, tokens: Tensor) -> Tensor:
        spec = self.cut.inputs[self.ports.target].spec
        return ops.cast(ops.expand_dims(tokens, 1), spec.dtype)

    def _shared(self, value: Value, kept: dict[str, Tensor], beams: int) -> Tensor:
        """A tensor of the source side for all beams."""
        batch = self.cut.inputs[self.ports.target].spec.shape[0]
        if value.spec.shape and value.spec.shape[0] == batch:
            kept = repeated(kept, beams)
        tensor = ops.convert_to_tensor(kept["value"])
        if "mask" in kept:
            set_mask(tensor, kept["mask"])
        return tensor

    @staticmethod
    def reads_sources(rule: StepRule) -> bool:
        """Whether a rule calls the layer, with its arguments from the source side."""
        return isinstance(rule, (Plain, OnPrefix))

    @staticmethod
    def given(call: Call, values: dict[Value, Tensor], missing: bool = False) -> Arguments:
        """The arguments of a call; in place of values that are missing None, or their specs."""

        def fill(x: Structure) -> Structure:
            if not isinstance(x, Value):
                return x
            return values.get(x, None if missing else x.spec)

        return Arguments(*tree.map_structure(fill, (call.args, call.kwargs)))

    def _weights(self, shown: dict[Call, Tensor], values: dict[Value, Tensor]) -> Tensor | None:
        output = None if self.ports.weights is None else self.cut.outputs[self.ports.weights]
        over_target = any(output in c.outputs and isinstance(r, _SELF) for c, r in self.steps)
        if output is None or over_target:
            # Weights over the target have one more position at each step.
            return list(shown.values())[-1] if shown else None
        for call, weights in shown.items():
            # Of several attentions in one layer, the rule shows the last.
            if output in call.outputs and len(call.outputs) == 2:
                return weights
        weights = values[output]
        if len(weights.shape) == 4 and output.has_time:
            weights = ops.reshape(weights, (ops.shape(weights)[0], 1, -1))
        elif len(weights.shape) == 4:
            weights = ops.mean(weights, axis=1)
        return weights[:, 0]

    def _attended(self) -> frozenset[str]:
        """The sources that the weights are over."""
        calls = [call for call, rule in self.steps if not self.reads_sources(rule)]
        index = -1
        if self.ports.weights is not None:
            output = self.cut.outputs[self.ports.weights]
            calls = [call for call in calls if output in call.outputs]
            index = calls[0].outputs.index(output) - 1 if calls else -1
        for call in reversed(calls):
            # Initial states and masks have fewer axes.
            over = [v for v in call.inputs if not v.moves and len(v.spec.shape) > 2]
            if over:
                return over[min(index, len(over) - 1)].sources
        return frozenset(self.ports.sources)


def run(call: Call, values: dict[Value, Tensor]) -> None:
    """Calls a layer on whole tensors."""
    arguments = StepwiseDecoder.given(call, values)
    outputs = call.operation(*arguments.args, **arguments.kwargs)
    values.update(zip(call.outputs, tree.flatten(outputs)))


def _tells_zeros(call: Call) -> bool:
    """Whether a call is `x != 0`, by which `Embedding(mask_zero=True)` masks."""
    return is_comparison(call.operation) and call.args[1:] == (0,)


def _with_rank(x: Tensor, value: Value) -> Tensor:
    """Adds or removes a last axis of size 1, as functional models do."""
    rank, expected = len(x.shape), value.spec.shape
    if rank == len(expected) + 1 and x.shape[-1] == 1:
        return ops.squeeze(x, -1)
    if rank == len(expected) - 1 and expected[-1] == 1:
        return ops.expand_dims(x, -1)
    return x


def _pass_mask(operation: keras.Operation, arguments: Arguments, outputs: list[Tensor]) -> None:
    """Gives the results of a rule the masks that the layer would give its own."""
    if not isinstance(operation, keras.layers.Layer) or not operation.supports_masking:
        return
    first = arguments.first()
    mask = arguments.kwargs.get("mask")
    if mask is None:
        mask = tree.map_structure(lambda x: None if x is None else mask_of(x), first)
    masks = operation.compute_mask(first, mask)
    for x, its_mask in zip(outputs, [] if masks is None else tree.flatten(masks)):
        if its_mask is not None and mask_of(x) is None:
            set_mask(x, its_mask)
