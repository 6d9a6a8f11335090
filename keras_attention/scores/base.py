"""The base class of all scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import received, score_dtype
from keras_attention._core.memory import Memory
from keras_attention._core.quantized import QuantizedParts
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


class Score(QuantizedParts):
    """Base of all scores: `score(query, key) = compare(project_query(query), project_keys(key))`.

    To write a score of your own, override `compare` and, if there are weights
    to learn, `build(query_shape, key_shape)` and the projections. A score that
    depends on earlier steps also defines `initial_state` and `next_state`; its
    `compare(query, keys, state)` takes one query at a time, `Tq = 1`.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        query: `(B, Tq, Dq)`.
        key: `(B, Tk, Dk)`.
        state: from `initial_state` or `next_state`, for scores that have one.

    Returns:
        The scores `(B, Tq, Tk)` in at least float32.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> from keras_attention.scores.base import Score
    >>> class Distance(Score):
    ...     def compare(self, query, keys):
    ...         difference = ops.expand_dims(query, 2) - ops.expand_dims(keys, 1)
    ...         return -ops.sum(ops.square(difference), axis=-1)
    >>> tuple(Distance()(np.ones((2, 3, 4)), np.ones((2, 5, 4))).shape)
    (2, 3, 5)
    """

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self.built = True

    def project_query(self, query: Tensor) -> Tensor:
        """Projects queries `(..., Dq)` to `(..., U)`, once per step."""
        return query

    def project_keys(self, key: Tensor) -> Tensor:
        """Projects keys `(B, Tk, Dk)` to `(B, Tk, U)`, once per sequence."""
        return key

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        """The scores `(B, Tq, Tk)` of projected queries `(B, Tq, U)` and keys `(B, Tk, U)`.

        `state` is passed only to scores whose `initial_state` is not `()`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define compare(query, keys).")

    def initial_state(self, memory: Memory) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""
        return ()

    def next_state(self, state: Structure, weights: Tensor, query: Tensor) -> Structure:
        """The state after a step with the weights `(B, Tk)` and the projected query `(B, U)`."""
        return state

    def call(self, query: Tensor, key: Tensor, state: Structure = None) -> Tensor:
        dtype = score_dtype(self.compute_dtype)
        query = ops.cast(self.project_query(query), dtype)
        keys = ops.cast(self.project_keys(key), dtype)
        if state is None:
            return self.compare(query, keys)
        # Keras has cast the state to the compute dtype.
        return self.compare(query, keys, map_tensors(lambda s: ops.cast(s, dtype), state))

    def compute_output_shape(self, query_shape: Shape, key_shape: Shape) -> Shape:
        return (*query_shape[:-1], key_shape[1])

    def compute_output_spec(
        self, query: Tensor, key: Tensor, state: Structure = None
    ) -> keras.KerasTensor:
        shape = self.compute_output_shape(query.shape, key.shape)
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))

    def _scalar(self, name: str, value: float) -> keras.Variable:
        # Not autocast: `compare` works in at least float32 under every policy.
        return self.add_weight(
            shape=(), initializer=keras.initializers.Constant(value), autocast=False, name=name
        )

    def _require_state(self, state: Structure) -> None:
        if state is None:
            raise ValueError(
                f"state: expected the state of {type(self).__name__}, from "
                "initial_state(memory) or next_state(state, weights, query), received None."
            )

    def _require_equal_sizes(self, query_shape: Shape, key_shape: Shape, instead: str) -> None:
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(
                f"{type(self).__name__} compares query and key feature by feature: their last "
                f"sizes must be equal, {received(query=query_shape, key=key_shape)}. {instead}"
            )


def dot_product(query: Tensor, keys: Tensor) -> Tensor:
    """`query . key` for all pairs: `(B, Tq, U)` and `(B, Tk, U)` to `(B, Tq, Tk)`."""
    return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))
