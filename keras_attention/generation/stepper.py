"""How a search runs a decoder's steps: which tensors its loop carries, and for how many beams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops, tree

from keras_attention._core.backend.graphs import is_concrete
from keras_attention._core.backend.loops import open_sizes
from keras_attention._core.checks import check_ids
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.decoder import DecoderLike, split_state, spread
from keras_attention.generation.decoders import as_decoder
from keras_attention.text.special_ids import SpecialIds

# Scores above this belong to sequences that can occur.
POSSIBLE = IMPOSSIBLE / 2


class Stepper:
    """Runs `decoder.step` for a search, which need not know what the state looks like.

    The loop of a search carries a list of tensors, the changing part of the
    state. The constant parts stay outside of it.

    Args:
        decoder: a `Decoder`, or what `as_decoder` completes.
        inputs: what `decoder.start` takes.

    Attributes:
        batch: the number of examples.
        special_ids: of the decoder.
        tensors: the changing part of the first state.
    """

    def __init__(self, decoder: DecoderLike, inputs: Structure) -> None:
        self.decoder, self.inputs = as_decoder(decoder), inputs
        self.special_ids = self.decoder.special_ids
        state = self.decoder.start(inputs)
        self._changing, self._constant = split_state(state, self.decoder.constant_parts)
        leaves = tree.flatten(self._changing)
        # None, as of a memory without a mask, is not carried.
        self._kept = [i for i, leaf in enumerate(leaves) if leaf is not None]
        self.tensors = [ops.convert_to_tensor(leaves[i]) for i in self._kept]
        self._count = len(leaves)
        tensors = (leaf for leaf in tree.flatten(state) if leaf is not None)
        self.batch = ops.shape(ops.convert_to_tensor(next(tensors)))[0]
        self._beams = 1

    def first(self) -> tuple[Tensor, list[Tensor], Tensor]:
        """The step from the start token: logits, the changing tensors, and weights."""
        tokens = ops.full((self.batch,), self.special_ids.start, dtype="int32")
        logits, tensors, weights = self.next(tokens, self.tensors)
        return logits, self._open(tensors, tensors), weights

    def growing(self) -> list[Tensor]:
        """The changing tensors before the first step, for a loop in a graph from there on."""
        if not self.tensors or is_concrete(self.tensors[0]):
            return self.tensors
        # Only for the sizes: the graph drops unused results.
        tokens = ops.full((self.batch,), self.special_ids.start, dtype="int32")
        _, after, _ = self.next(tokens, self.tensors)
        return self._open(self.tensors, after)

    def _open(self, tensors: list[Tensor], after: list[Tensor]) -> list[Tensor]:
        """`tensors` with no static size where it differs before and after a step."""
        opened = list(tensors)
        for i, (old, new) in enumerate(zip(self.tensors, after)):
            sizes = list(zip(tuple(old.shape), tuple(new.shape)))
            if any(None not in (a, b) and a != b for a, b in sizes):
                # A cache, longer with every step.
                opened[i] = open_sizes(tensors[i], tuple(b if a == b else None for a, b in sizes))
        return opened

    def next(
        self, tokens: Tensor, tensors: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """One step: logits, the changing tensors after it, and weights, both in float32."""
        state = self.state(tensors)
        logits, state, weights = self.decoder.step(tokens, state, beams=self._beams)
        if weights is None:
            weights = ops.zeros((ops.shape(tokens)[0], 0))
        return ops.cast(logits, "float32"), self._tensors(state), ops.cast(weights, "float32")

    def state(self, tensors: Sequence[Tensor]) -> Structure:
        """The whole state with these changing tensors."""
        leaves: list[Tensor | None] = [None] * self._count
        for i, tensor in zip(self._kept, tensors):
            leaves[i] = tensor
        state = tree.pack_sequence_as(self._changing, leaves)
        return {**state, **self._constant} if self._constant else state

    def _tensors(self, state: Structure) -> list[Tensor]:
        changing, _ = split_state(state, self.decoder.constant_parts)
        if isinstance(self._changing, dict):
            changing = {name: changing[name] for name in self._changing if name in changing}
        leaves = tree.flatten(changing)
        if len(leaves) != self._count or any(leaves[i] is None for i in self._kept):
            raise ValueError(
                "step: expected a next state of the same structure as the state, with "
                f"{self._count} changing leaves, received {len(leaves)}."
            )
        # A state keeps its dtype from step to step, or a loop would refuse it.
        return [ops.cast(leaves[i], before.dtype) for i, before in zip(self._kept, self.tensors)]

    def spread(self, beams: int) -> None:
        """Sets the number of beams of each example in `next`; called once, before the loop."""
        self._constant, self._beams = spread(self.decoder, self._constant, self.batch, beams)

    def source_mask(self) -> Tensor | None:
        """The real positions `(B, S)` of the source, or None where all are real."""
        return self.decoder.source_mask(self.inputs)


def prefix_columns(prefix: Tensor | None, max_length: int, pad: int) -> Tensor | None:
    """A prefix `(B, P)` as `max_length` columns, `pad` where nothing is forced; None stays None."""
    if prefix is None:
        return None
    prefix = ops.convert_to_tensor(prefix)
    check_ids("prefix", prefix)
    columns = ops.pad(ops.cast(prefix, "int32"), ((0, 0), (0, max_length)), constant_values=pad)
    columns = columns[:, :max_length]
    # Now that their number is known, whatever the prefix had.
    return ops.reshape(columns, (-1, max_length))


def check_prefix(prefix: Any, vocabulary_size: int, special_ids: SpecialIds) -> None:
    """Refuses lists and arrays with ids that can never be written; tensors are not looked at."""
    if not isinstance(prefix, (list, tuple, np.ndarray)):
        return
    ids, pad = np.asarray(prefix), special_ids.pad
    never = [i for i in special_ids.never_generated if i != pad]
    if ids.size and (ids.min() < 0 or ids.max() >= vocabulary_size or np.isin(ids, never).any()):
        start = f" without the start token ({never[0]}), padded" if never else ", padded"
        raise ValueError(
            f"prefix: expected ids from 0 to {vocabulary_size - 1}{start} with {pad}, "
            f"received {ids.tolist()}."
        )
