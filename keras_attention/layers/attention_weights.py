"""Attention weights from a score, a normalizer and a window: for all queries, or one by one."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops, tree

from keras_attention._core.backend.loops import scan
from keras_attention._core.masks import combine_masks, keep_where_masked
from keras_attention._core.memory import Memory
from keras_attention._core.structure import map_tensors, swap_batch_and_time
from keras_attention._core.types import Structure, Tensor
from keras_attention.layers.states import AttentionNoise, AttentionState
from keras_attention.normalizers.base import Normalizer
from keras_attention.scores.base import Score
from keras_attention.windows import Window


class Axes(NamedTuple):
    """The three axes of an attention.

    Attributes:
        score: compares queries with keys.
        normalizer: makes weights of scores.
        window: limits the positions of each query, or None.
    """

    score: Score
    normalizer: Normalizer
    window: Window | None

    def initial_state(self, memory: Memory) -> AttentionState:
        """The state before the first query."""
        window = () if self.window is None else self.window.initial_state(memory)
        return AttentionState(
            self.score.initial_state(memory), self.normalizer.initial_state(memory), window
        )

    def weights(
        self,
        query: Tensor,
        projected: Tensor,
        memory: Memory,
        state: AttentionState,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, AttentionState]:
        """The weights of all queries, and the state after the last.

        Queries run one after the other if score or normalizer have a state: each needs the
        weights of the one before.

        Args:
            query: `(B, Tq, Dq)`.
            projected: `(B, Tq, U)`, the query projected by the score.
            memory: keys, values and mask.
            state: of the query before the first.
            query_mask: `(B, Tq)`; a masked query leaves the state as it is.
            attention_mask: `(B, Tq, Tk)` or `(1, Tq, Tk)`.
            noise: of `(B, Tq, Tk)` numbers.
        """
        single = query.shape[1] == 1
        if not single and _has_history(state):
            return self._in_turn(query, projected, memory, state, query_mask, attention_mask, noise)
        asked = None if query_mask is None else ops.expand_dims(query_mask, -1)
        mask = combine_masks(asked, attention_mask)
        weights, after = self._at_once(query, projected, memory, state, query_mask, mask, noise)
        return weights, keep_where_masked(query_mask, after, state) if single else after

    def _at_once(
        self,
        query: Tensor,
        projected: Tensor,
        memory: Memory,
        state: AttentionState,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, AttentionState]:
        history = (state.score,) if tree.flatten(state.score) else ()
        scores = self.score.compare(projected, memory.keys, *history)
        mask = None if memory.mask is None else ops.expand_dims(memory.mask, 1)
        mask = combine_masks(mask, attention_mask)
        factors, window = None, state.window
        if self.window is not None:
            inside, factors, window = self.window(
                query, memory, state=state.window, query_mask=query_mask
            )
            mask = combine_masks(mask, inside)
        options = {}
        if tree.flatten(state.normalizer):
            options["state"] = state.normalizer
        if noise is not None and noise.scores is not None:
            options["noise"] = noise.scores
        weights = self.normalizer(scores, mask=mask, **options)
        if factors is not None:
            weights = weights * factors
        if not _has_history(state):
            return weights, AttentionState(window=window)
        last = ops.squeeze(weights, 1)
        return weights, AttentionState(
            self.score.next_state(state.score, last, ops.squeeze(projected, 1)),
            self.normalizer.next_state(state.normalizer, last),
            window,
        )

    def _in_turn(
        self,
        query: Tensor,
        projected: Tensor,
        memory: Memory,
        state: AttentionState,
        query_mask: Tensor | None,
        attention_mask: Tensor | None,
        noise: AttentionNoise | None,
    ) -> tuple[Tensor, AttentionState]:
        if attention_mask is not None:
            # Scanned along the queries, so the batch has its full size.
            shape = (ops.shape(query)[0], *ops.shape(attention_mask)[1:])
            attention_mask = ops.broadcast_to(attention_mask, shape)
        numbers = None if noise is None else noise.scores
        sequences = (query, projected, query_mask, attention_mask, numbers)
        xs = map_tensors(swap_batch_and_time, sequences)

        def one(before: AttentionState, x: Structure) -> tuple[Structure, tuple[Tensor]]:
            query, projected, asked, mask, numbers = x
            numbers = None if numbers is None else AttentionNoise(ops.expand_dims(numbers, 1))
            query, projected = ops.expand_dims(query, 1), ops.expand_dims(projected, 1)
            mask = None if mask is None else ops.expand_dims(mask, 1)
            if asked is not None:
                mask = combine_masks(ops.reshape(asked, (-1, 1, 1)), mask)
            weights, after = self._at_once(query, projected, memory, before, None, mask, numbers)
            return keep_where_masked(asked, after, before), (ops.squeeze(weights, 1),)

        state, (weights,) = scan(one, state, xs, (memory.keys.dtype,))
        return swap_batch_and_time(weights), state


def _has_history(state: AttentionState) -> bool:
    return bool(tree.flatten((state.score, state.normalizer)))
