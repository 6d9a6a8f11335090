"""Contracts of the parts that users may write themselves, and functions that complete them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from keras import ops

from keras_attention._core.backend.loops import scan
from keras_attention._core.masks import keep_where_masked, zero_where_masked
from keras_attention._core.memory import Memory
from keras_attention._core.structure import map_tensors, swap_batch_and_time
from keras_attention._core.types import Shape, Structure, Tensor


@runtime_checkable
class ScoreLike(Protocol):
    """How a query is compared with a key; `keras_attention.scores.Score` is the base class."""

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        """Makes the weights."""

    def project_query(self, query: Tensor) -> Tensor:
        """Projects queries `(..., Dq)` to `(..., U)`, once per step."""

    def project_keys(self, key: Tensor) -> Tensor:
        """Projects keys `(B, Tk, Dk)` to `(B, Tk, U)`, once per sequence."""

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        """The scores `(B, Tq, Tk)` of projected queries and keys in at least float32.

        `state` is passed, with `Tq = 1`, only if `initial_state` is not `()`.
        """

    def initial_state(self, memory: Memory) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""

    def next_state(self, state: Structure, weights: Tensor, query: Tensor) -> Structure:
        """The state after a step with the weights `(B, Tk)` and the projected query `(B, U)`."""


@runtime_checkable
class NormalizerLike(Protocol):
    """How scores become weights; `keras_attention.normalizers.Normalizer` is the base class."""

    # Whether the gradient of the context stops at the weights.
    detached: bool

    def build(self, scores_shape: Shape, mask_shape: Shape | None = None) -> None:
        """Makes the weights."""

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weights of scores `(B, Tq, Tk)`, zero where the mask is False.

        Also has an argument `state`, with `Tq = 1`, if `initial_state` is not `()`, and an
        argument `noise` if `noise` is not None.
        """

    def initial_state(self, memory: Memory) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""

    def next_state(self, state: Structure, weights: Tensor) -> Structure:
        """The state after a step with the weights `(B, Tk)`."""

    def noise(self, shape: tuple[int | Tensor, ...], dtype: str) -> Tensor | None:
        """Random numbers of `shape` `(B, Tq, Tk)` for a call in training, or None."""


@runtime_checkable
class WindowLike(Protocol):
    """Which keys a query may attend to; `keras_attention.windows.Window` is the base class."""

    def build(self, query_shape: Shape) -> None:
        """Makes the weights."""

    def initial_state(self, memory: Memory) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""

    def call(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure = (),
        query_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None, Structure]:
        """A mask `(B, Tq, Tk)`, factors of the weights or None, and the next state."""


@runtime_checkable
class StepwiseMechanism(Protocol):
    """The least that an attention of one's own needs; `as_mechanism` completes it."""

    def memory(self, value: Tensor, *, mask: Tensor | None = None) -> Structure:
        """Projects the keys once per sequence. Tensors with the batch first."""

    def initial_state(self, memory: Structure) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""

    def step(
        self, query: Tensor, memory: Structure, state: Structure
    ) -> tuple[Tensor, Structure, Structure]:
        """The context `(B, Dv)` of a query `(B, Dq)`, the weights and the next state."""


@runtime_checkable
class AttentionMechanism(Protocol):
    """What an `AttentionRNN` runs: `Attention`, `MultiSourceAttention` and layers like them."""

    def memory(self, value: Structure, key: Structure = None, mask: Structure = None) -> Structure:
        """Projects the keys once per sequence. Tensors with the batch first."""

    def initial_state(self, memory: Structure) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""

    def step(
        self,
        query: Tensor,
        memory: Structure,
        state: Structure = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        """The context `(B, Dv)` of a query `(B, Dq)`, the weights and the next state."""

    def attend(
        self,
        query: Tensor,
        memory: Structure,
        state: Structure = None,
        query_mask: Tensor | None = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        """The contexts `(B, Tq, Dv)` of all queries, the weights and the last state."""

    def noise(self, memory: Structure, steps: int | Tensor, training: bool = True) -> Structure:
        """Random numbers for a sequence of `steps` queries, `(B, steps, ...)`, or None."""

    def context_size(self, value_size: int | list[int]) -> int:
        """The features of a context over values of `value_size` features."""


def as_mechanism(attention: object, name: str = "attention") -> AttentionMechanism:
    """A full `AttentionMechanism` made of `attention`, which is returned if it is one.

    An object that has only `memory`, `initial_state` and `step` is completed: `attend` runs its
    steps in turn, there is no noise, and a context has the features of the value. The result
    then only refers to the object: whoever holds the object tracks and saves its variables.

    Args:
        attention: an attention layer.
        name: the argument that an error names.

    Raises:
        ValueError: for a class, and for an object without these three methods.

    Example:

    >>> from keras_attention import LuongAttention
    >>> from keras_attention._core.protocols import as_mechanism
    >>> attention = LuongAttention()
    >>> as_mechanism(attention) is attention
    True
    """
    if isinstance(attention, type):
        raise ValueError(
            f"{name}: expected a keras_attention.Attention, received the class "
            f"{attention.__name__}; write {attention.__name__}()."
        )
    if isinstance(attention, AttentionMechanism):
        return attention
    if isinstance(attention, StepwiseMechanism):
        return _Completed(attention)
    raise ValueError(
        f"{name}: expected a keras_attention.Attention, such as BahdanauAttention(units), "
        f"received {attention!r}."
    )


class _Completed:
    """A `StepwiseMechanism` as an `AttentionMechanism`."""

    def __init__(self, attention: StepwiseMechanism) -> None:
        self._attention = attention

    def memory(self, value: Structure, key: Structure = None, mask: Structure = None) -> Structure:
        return self._attention.memory(value, mask=mask)

    def initial_state(self, memory: Structure) -> Structure:
        return self._attention.initial_state(memory)

    def step(
        self,
        query: Tensor,
        memory: Structure,
        state: Structure = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        state = self.initial_state(memory) if state is None else state
        return self._attention.step(query, memory, state)

    def attend(
        self,
        query: Tensor,
        memory: Structure,
        state: Structure = None,
        query_mask: Tensor | None = None,
        noise: Structure = None,
    ) -> tuple[Tensor, Structure, Structure]:
        def one(before: Structure, x: Structure) -> tuple[Structure, tuple[Tensor, ...]]:
            query, mask = x
            context, weights, after = self._attention.step(query, memory, before)
            after = keep_where_masked(mask, after, before)
            return after, (zero_where_masked(mask, context), zero_where_masked(mask, weights))

        state = self.initial_state(memory) if state is None else state
        if query_mask is not None:
            query_mask = ops.cast(query_mask, "bool")
        xs = map_tensors(swap_batch_and_time, (query, query_mask))
        state, (contexts, weights) = scan(one, state, xs, (query.dtype, query.dtype))
        return swap_batch_and_time(contexts), swap_batch_and_time(weights), state

    def noise(self, memory: Structure, steps: int | Tensor, training: bool = True) -> Structure:
        return None

    def context_size(self, value_size: int | list[int]) -> int:
        if isinstance(value_size, (list, tuple)):
            raise ValueError(f"value: expected one value for {self._attention!r}, received a list.")
        return value_size
