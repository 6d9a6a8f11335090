"""The contracts of decoding: what a model offers, and what a search is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from keras import ops, tree

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.types import Structure, Tensor
from keras_attention.text.special_ids import SpecialIds, as_special_ids

if TYPE_CHECKING:
    from keras_attention.generation.hypotheses import Hypotheses


@runtime_checkable
class Decoder(Protocol):
    """A model that writes one token at a time.

    `as_decoder` makes a full decoder of an object that has only `start` and
    `step`.

    Attributes:
        constant_parts: top-level names of the state, where it is a dictionary,
            that no step changes, such as the memory. They are not carried
            through the loop of a search, nor gathered by beam. What a step
            returns for them is ignored. Names that the state lacks are ignored
            too.
        special_ids: `keras_attention.text.SpecialIds` of what the model writes:
            padding, start, end and unknown.

    Example:

    >>> from keras_attention.generation import Decoder
    >>> from keras_attention.models import EncoderDecoder
    >>> isinstance(EncoderDecoder(30, 40, units=16), Decoder)
    True
    """

    @property
    def constant_parts(self) -> tuple[str, ...]: ...

    @property
    def special_ids(self) -> SpecialIds: ...

    def start(self, inputs: Structure) -> Structure:
        """The state before the first token: a structure of tensors, batch first."""
        ...

    def step(
        self, tokens: Tensor, state: Structure, beams: int = 1
    ) -> tuple[Tensor, Structure, Tensor | None]:
        """One step for `B * beams` sequences.

        Args:
            tokens: ids `(B * beams,)`, those of one example side by side.
            state: of `start`, or of the step before. Its constant parts have B
                rows, all others `B * beams`.
            beams: the number of sequences that share one row of the constant
                parts.

        Returns:
            The logits `(B * beams, V)`, the next state, and the attention
            weights `(B * beams, S)`, or None if there are none.
        """
        ...

    def source_mask(self, inputs: Structure) -> Tensor | None:
        """The real positions `(B, S)` of the source, or None where all are real."""
        ...


@runtime_checkable
class DecoderLike(Protocol):
    """The two methods that `as_decoder` needs; see `Decoder`.

    Example:

    >>> from keras_attention.generation import DecoderLike
    >>> isinstance("abc", DecoderLike)
    False
    """

    def start(self, inputs: Structure) -> Structure:
        """The state before the first token: a structure of tensors, batch first."""
        ...

    def step(self, tokens: Tensor, state: Structure) -> tuple[Tensor, Structure, Tensor | None]:
        """Logits, the next state, and attention weights or None."""
        ...


@runtime_checkable
class Search(Protocol):
    """A decoding method: `Greedy`, `Sample`, `BeamSearch`, or a function of the same arguments.

    Example:

    >>> from keras_attention.generation import Greedy, Search
    >>> isinstance(Greedy(max_length=20), Search)
    True
    """

    def __call__(
        self, decoder: DecoderLike, inputs: Structure, prefix: Tensor | None = None
    ) -> Hypotheses:
        """Decodes a batch.

        Args:
            decoder: a `Decoder`, or an object with `start` and `step`.
            inputs: what `decoder.start` takes.
            prefix: ids `(B, P)` that each sequence begins with, or None.
        """
        ...


@runtime_checkable
class _DeclaresConstantParts(Protocol):
    constant_parts: tuple[str, ...]


@runtime_checkable
class _Spreads(Protocol):
    def spread(
        self, constant: dict[str, Structure], batch: int | Tensor, beams: int
    ) -> tuple[dict[str, Structure], int]: ...


@runtime_checkable
class _DeclaresSpecialIds(Protocol):
    special_ids: SpecialIds


@runtime_checkable
class _HasSourceMask(Protocol):
    def source_mask(self, inputs: Structure) -> Tensor | None: ...


class CompletedDecoder:
    """A `Decoder` made of an object that lacks `constant_parts` or `source_mask`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.constant_parts: tuple[str, ...] = ("memory",)
        self.special_ids = SpecialIds()
        if isinstance(model, _DeclaresSpecialIds):
            self.special_ids = as_special_ids(model.special_ids, name="model.special_ids")
        self._takes_beams = isinstance(model, _DeclaresConstantParts)
        if self._takes_beams:
            self.constant_parts = tuple(model.constant_parts)

    def start(self, inputs: Structure) -> Structure:
        return self.model.start(inputs)

    def step(
        self, tokens: Tensor, state: Structure, beams: int = 1
    ) -> tuple[Tensor, Structure, Tensor | None]:
        if beams == 1:
            return self.model.step(tokens, state)
        if self._takes_beams:
            return self.model.step(tokens, state, beams=beams)
        changing, constant = split_state(state, self.constant_parts)
        if constant:
            state = {**changing, **self._repeated(constant, ops.shape(tokens)[0], beams)}
        return self.model.step(tokens, state)

    def spread(
        self, constant: dict[str, Structure], batch: int | Tensor, beams: int
    ) -> tuple[dict[str, Structure], int]:
        """As the function `spread`: repeats what a step without `beams` cannot share, once."""
        if beams == 1 or self._takes_beams or not constant:
            return constant, beams
        return self._repeated(constant, batch * beams, beams), 1

    @staticmethod
    def _repeated(
        constant: dict[str, Structure], count: int | Tensor, beams: int
    ) -> dict[str, Structure]:
        rows = ops.arange(count) // beams

        def repeated(leaf: Tensor | None) -> Tensor | None:
            return None if leaf is None else gather_rows(ops.convert_to_tensor(leaf), rows)

        return tree.map_structure(repeated, constant)

    def source_mask(self, inputs: Structure) -> Tensor | None:
        if isinstance(self.model, _HasSourceMask):
            return self.model.source_mask(inputs)
        return mask_of_ids(inputs, self.special_ids.pad)


def spread(
    decoder: Decoder, constant: dict[str, Structure], batch: int | Tensor, beams: int
) -> tuple[dict[str, Structure], int]:
    """The constant parts of `batch` examples for `beams` beams each, and the `beams` of `step`.

    A decoder whose `step` takes `beams` shares one row of them among the beams of an example.
    """
    if isinstance(decoder, _Spreads):
        return decoder.spread(constant, batch, beams)
    return constant, beams


def split_state(
    state: Structure, constant_parts: tuple[str, ...]
) -> tuple[Structure, dict[str, Structure]]:
    """A state as its changing part and its constant parts by name."""
    if not isinstance(state, Mapping):
        return state, {}
    constant = {name: state[name] for name in constant_parts if name in state}
    return {name: part for name, part in state.items() if name not in constant}, constant


def mask_of_ids(inputs: Structure, pad: int) -> Tensor | None:
    """`(B, S)`, True where ids, alone or as `"source"` of a dictionary, are not padding.

    None where `inputs` are not a matrix of integers.
    """
    ids = inputs.get("source") if isinstance(inputs, Mapping) else inputs
    if ids is None or (isinstance(ids, (list, tuple)) and not _is_matrix(ids)):
        return None
    if isinstance(ids, Mapping):
        return None
    ids = ops.convert_to_tensor(ids)
    if len(ids.shape) != 2 or "int" not in str(ids.dtype):
        return None
    return ops.not_equal(ids, pad)


def _is_matrix(ids: Any) -> bool:
    return all(isinstance(x, (list, tuple)) and all(isinstance(i, int) for i in x) for x in ids)
