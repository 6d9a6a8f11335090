"""The contract of a rule: how a layer runs on one position after another."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import keras
from keras import tree

from keras_attention._core.types import Config, Structure, Tensor


class NoStepRuleError(ValueError):
    """A call of a layer that cannot run one position at a time."""


class NotCausalError(ValueError):
    """A layer whose result at one position depends on later ones.

    Args:
        layer: the name of its call.
        why: the reason, after "received layer ..., ".
    """

    def __init__(self, layer: str, why: str) -> None:
        super().__init__(
            f"model: expected a target side that is causal, received layer {layer!r}, {why}."
        )
        self.layer = layer


class Arguments(NamedTuple):
    """The arguments of one call of a layer.

    Attributes:
        args: those given by position.
        kwargs: those given by name.

    Example:

    >>> from keras_attention.generation.any_model.rules.base import Arguments
    >>> Arguments((1,), {"mask": 2}).get(1, "mask")
    2
    """

    args: tuple[Structure, ...]
    kwargs: Config

    def get(self, position: int, name: str) -> Structure:
        """An argument by its position or its name; None where it was not given."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name)

    def first(self) -> Structure:
        """The first argument."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()))


@runtime_checkable
class StepRule(Protocol):
    """How a layer runs on one position of the target after another.

    `register_step_rule` gives a class of layers a rule. A layer without a rule
    is called on one position as if it were a sequence of length 1.

    Example:

    A layer that adds up its inputs.

    >>> import keras
    >>> from keras import ops
    >>> from keras_attention.generation import register_step_rule
    >>> class RunningSum(keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return ops.cumsum(inputs, axis=1)
    >>> class RunningSumRule:
    ...     def start(self, layer, arguments, batch):
    ...         size = arguments.get(0, "inputs").shape[-1]
    ...         return None, ops.zeros((batch, size))
    ...     def step(self, layer, arguments, memory, state, beams):
    ...         total = state + arguments.get(0, "inputs")[:, 0]
    ...         return total[:, None], total, None
    >>> register_step_rule(RunningSum, RunningSumRule())
    """

    def start(
        self, layer: keras.layers.Layer, arguments: Arguments, batch: int | Tensor
    ) -> tuple[Structure, Structure]:
        """What is computed once, before the first position.

        Args:
            layer: the layer.
            arguments: of the call. What depends on the sources alone is a
                tensor; what depends on the target is a `keras.KerasTensor`,
                which has a shape and a dtype.
            batch: the number of examples B.

        Returns:
            The memory, which no step changes, and the first state: structures
            of tensors, batch first; None where there is none.
        """
        ...

    def step(
        self,
        layer: keras.layers.Layer,
        arguments: Arguments,
        memory: Structure,
        state: Structure,
        beams: int,
    ) -> tuple[Structure, Structure, Tensor | None]:
        """One position of `B * beams` sequences, those of one example side by side.

        Args:
            layer: the layer.
            arguments: of the call. What depends on the target is a tensor of
                one position, `(B * beams, 1, ...)`; what depends on the sources
                alone is None: what a step reads of it belongs to the memory.
            memory: of `start`; of B examples.
            state: of `start`, or of the step before; of `B * beams` sequences.
            beams: the number of sequences that share an example of the memory.

        Returns:
            The results of the call, with one position in place of all; the
            next state; and attention weights `(B * beams, S)` over a source,
            or None.
        """
        ...


def moves(structure: Structure) -> bool:
    """Whether an argument of `start` depends on the target."""
    return any(isinstance(x, keras.KerasTensor) for x in tree.flatten(structure))
