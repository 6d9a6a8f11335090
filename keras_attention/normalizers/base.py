"""The base class of all normalizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from keras_attention._core.memory import Memory
from keras_attention._core.types import Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions


class Normalizer(keras.layers.Layer):
    """Base of all normalizers: scores and a mask become weights.

    To write a normalizer of your own, override `call(scores, mask)`. A
    normalizer that depends on earlier weights also defines `initial_state` and
    `next_state`; its `call` takes one query at a time, `Tq = 1`, and an
    argument `state`. A normalizer that is random in training also defines
    `noise`; its `call` has an argument `noise`.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        scores: `(B, Tq, Tk)` in at least float32.
        mask: booleans that broadcast to the scores, True where a query may
            attend to a position, or None.

    Returns:
        The weights, of the scores' shape and dtype. They are zero wherever the
        mask is False. If all positions of a query are masked, all its weights
        are zero, and so are their gradients.

    Attributes:
        detached: whether the gradient of the context stops at the weights, so
            that they have the gradient of their own estimator alone.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> from keras_attention.normalizers.base import Normalizer
    >>> class Uniform(Normalizer):
    ...     def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
    ...         ones = ops.ones_like(scores)
    ...         kept = ones if mask is None else ops.where(mask, ones, 0.0)
    ...         return kept / ops.maximum(ops.sum(kept, axis=-1, keepdims=True), 1.0)
    >>> Uniform()(np.zeros((1, 1, 4), "float32")).numpy().tolist()
    [[[0.25, 0.25, 0.25, 0.25]]]
    """

    detached = False

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        # Scores are in at least float32 and must not be cast down.
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def build(self, scores_shape: Shape, mask_shape: Shape | None = None) -> None:
        self.built = True

    def initial_state(self, memory: Memory) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""
        return ()

    def next_state(self, state: Structure, weights: Tensor) -> Structure:
        """The state after a step with the weights `(B, Tk)`."""
        return state

    def noise(self, shape: tuple[int | Tensor, ...], dtype: str) -> Tensor | None:
        """Random numbers of `shape` `(B, Tq, Tk)` for a call in training, or None."""
        return None

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define call(scores, mask).")

    def compute_output_shape(self, scores_shape: Shape, mask_shape: Shape | None = None) -> Shape:
        return scores_shape

    def compute_output_spec(
        self, scores: Tensor, *args: Structure, **kwargs: Structure
    ) -> keras.KerasTensor:
        return keras.KerasTensor(scores.shape, dtype=scores.dtype)
