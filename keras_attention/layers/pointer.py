"""Pointer network: the output is a position of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops, tree

from keras_attention import scores
from keras_attention._core.checks import (
    check_features,
    check_flag,
    check_rank,
    check_shape,
    check_size,
    score_dtype,
)
from keras_attention._core.freezing import freeze_parts
from keras_attention._core.masks import combine_masks, masked_log_softmax, zero_where_masked
from keras_attention._core.memory import Memory
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.types import Config, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions
    from keras_attention.scores.registry import ScoreIdentifier


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerHead(QuantizedParts):
    """Points at positions of the input: `p(y_t = j) = softmax_j(v . tanh(W q_t + U h_j))`.

    The outputs are log-probabilities, which may be used as logits. Masked and
    used positions get -1e30.

    With `end`, there is one more choice, the end of the output, represented by
    a learned vector. It is choice 0, and position j is choice j + 1, so that no
    choice depends on the length of the padding.

    Source: Vinyals, Fortunato and Jaitly, "Pointer Networks", 2015, which
    counts the positions from 1, too.

    Args:
        score: as in `keras_attention.scores.get`; a score without a state. The
            paper's is additive.
        end: whether the end is a choice.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        query: `(B, T, Dq)`, or one step `(B, Dq)`.
        value: `(B, S, D)`, the positions to choose from.
        used: `(B, T, S)`, or `(B, S)` for all steps, True for positions that
            may not be chosen; see `used_positions`.
        query_mask: `(B, T)`, True for real steps; the results of the others are
            finite, but meaningless. In the functional API Keras fills it in.
        value_mask: `(B, S)`, True for real positions; likewise.

    Returns:
        `(B, T, S)`, or `(B, S)` for one step (with `end`, S + 1), in at least
        float32.

    Raises:
        ValueError: for an unknown score, a score with a state, or ranks, sizes
            or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pointer import PointerHead
    >>> query, value = np.ones((2, 3, 4)), np.ones((2, 4, 6))
    >>> log_p = PointerHead()(query, value, used=np.array([[0, 0, 0, 1]] * 2, bool))
    >>> [round(float(p), 4) for p in np.exp(log_p)[0, 0]]
    [0.3333, 0.3333, 0.3333, 0.0]
    """

    def __init__(
        self, score: ScoreIdentifier = "additive", end: bool = False, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        self._score_name = score if isinstance(score, str) else None
        self.score = scores.get(score, dtype=self.dtype_policy)
        self.end = check_flag("end", end)
        self._query_size: int | None = None
        self._value_size: int | None = None
        self.supports_masking = True

    def build(
        self, query_shape: Shape, value_shape: Shape, used_shape: Shape | None = None
    ) -> None:
        check_features(query=query_shape, value=value_shape)
        # A score that was loaded with its weights is built already.
        if not self.score.built:
            self.score.build((None, None, query_shape[-1]), (None, None, value_shape[-1]))
        if self.end:
            self.end_vector = self.add_weight(
                shape=(1, 1, value_shape[-1]), initializer="glorot_uniform", name="end_vector"
            )
        self._query_size, self._value_size = query_shape[-1], value_shape[-1]
        freeze_parts(self, [self.score])
        self.built = True

    def call(
        self,
        query: Tensor,
        value: Tensor,
        used: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Tensor:
        self._check(query, value, used, query_mask, value_mask)
        return self._point(query, self.memory(value, value_mask), used, query_mask)

    def memory(self, value: Tensor, mask: Tensor | None = None) -> Memory:
        """Projects the positions once, for any number of steps; see `Attention.memory`."""
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            value = zero_where_masked(mask, value)
        if self.end:
            end = ops.cast(self.end_vector, value.dtype)
            end = ops.broadcast_to(end, (ops.shape(value)[0], *end.shape[1:]))
            value = ops.concatenate([end, value], axis=1)
            if mask is not None:
                mask = _true_before(mask)
        keys = ops.cast(self.score.project_keys(value), score_dtype(self.compute_dtype))
        memory = Memory(keys, value, mask)
        if tree.flatten(self.score.initial_state(memory)):
            raise ValueError(
                "score: expected a score without a state of earlier weights, received "
                f"{type(self.score).__name__}."
            )
        return memory

    def step(self, query: Tensor, memory: Memory, used: Tensor | None = None) -> Tensor:
        """The log-probabilities `(B, S)` of one step; `query` is `(B, Dq)`, `used` `(B, S)`."""
        return self._point(query, memory, used, None)

    def _point(
        self, query: Tensor, memory: Memory, used: Tensor | None, query_mask: Tensor | None
    ) -> Tensor:
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        single = len(query.shape) == 2
        if query_mask is not None:
            query = zero_where_masked(ops.cast(query_mask, "bool"), query)
        if single:
            query = ops.expand_dims(query, 1)
        # Of rank 2: inside a loop XLA cannot differentiate a Dense layer of rank 3.
        flat = ops.reshape(query, (-1, query.shape[-1]))
        projected = ops.cast(self.score.project_query(flat), memory.keys.dtype)
        projected = ops.reshape(projected, (*ops.shape(query)[:2], projected.shape[-1]))
        compared = self.score.compare(projected, memory.keys)
        log_p = masked_log_softmax(compared, self._choices(memory, used))
        return ops.squeeze(log_p, 1) if single else log_p

    def _choices(self, memory: Memory, used: Tensor | None) -> Tensor | None:
        """A mask of what may be chosen, `(B, 1 or T, S)`; None if there are no limits."""
        mask = None if memory.mask is None else ops.expand_dims(memory.mask, 1)
        if used is None:
            return mask
        free = ops.logical_not(ops.cast(used, "bool"))
        if len(free.shape) == 2:
            free = ops.expand_dims(free, 1)
        if self.end:
            # The end is never used up.
            free = _true_before(free)
        return combine_masks(mask, free)

    def _check(
        self,
        query: Tensor,
        value: Tensor,
        used: Tensor | None,
        query_mask: Tensor | None,
        value_mask: Tensor | None,
    ) -> None:
        check_rank("query", query, (2, 3), "(batch, length, features) or (batch, features)")
        check_rank("value", value, (3,), "(batch, positions, features)")
        batch, positions = value.shape[:2]
        check_shape("value", value, (query.shape[0], *value.shape[1:]), "the batch size of query")
        if query_mask is not None:
            check_shape("query_mask", query_mask, query.shape[:-1], "one boolean per query")
        if value_mask is not None:
            check_shape("value_mask", value_mask, (batch, positions), "one boolean per position")
        if used is not None:
            used = ops.convert_to_tensor(used)
            ranks = (2, 3) if len(query.shape) == 3 else (2,)
            check_rank("used", used, ranks, "one boolean per position, for all steps or for each")
            steps = query.shape[1:-1] if len(used.shape) == 3 else ()
            check_shape("used", used, (batch, *steps, positions), "one boolean per position")
        if self.built:
            check_size("query", query, self._query_size)
            check_size("value", value, self._value_size)

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape, used_shape: Shape | None = None
    ) -> Shape:
        positions = value_shape[1]
        if self.end and positions is not None:
            positions += 1
        return (*query_shape[:-1], positions)

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor,
        used: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> keras.KerasTensor:
        self._check(query, value, used, query_mask, value_mask)
        shape = self.compute_output_shape(query.shape, value.shape)
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))

    def compute_mask(self, query: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        # There is one output per query, masked like it.
        return previous_mask

    def get_config(self) -> Config:
        score = self._score_name or scores.serialize(self.score)
        return {**super().get_config(), "score": score, "end": self.end}


def _true_before(mask: Tensor) -> Tensor:
    """`mask` with one more entry, True, before the others."""
    # Not by padding, which ONNX has for numbers only.
    return ops.concatenate([ops.ones_like(mask[..., :1]), mask], axis=-1)


def used_positions(choices: Tensor, positions: int) -> Tensor:
    """Which positions were chosen before each step, `(B, T, positions)`.

    For the `used` of a `PointerHead` in training, where all choices are known.

    Args:
        choices: `(B, T)` positions from 0 on. Numbers that are no position, such
            as -1 for padding, are ignored; so with the end as choice 0, pass
            `choices - 1`.
        positions: the number of positions.

    Returns:
        Booleans.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pointer import used_positions
    >>> used_positions(np.array([[2, 0, 1]]), 3)[0].numpy().astype(int).tolist()
    [[0, 0, 0], [0, 0, 1], [1, 0, 1]]
    """
    choices = ops.convert_to_tensor(choices)
    check_rank("choices", choices, (2,), "(batch, steps)")
    chosen = ops.expand_dims(choices, -1) == ops.arange(positions, dtype=choices.dtype)
    chosen = ops.cast(chosen, "int32")
    return ops.cumsum(chosen, axis=1) - chosen > 0
