"""The base class of all normalizers."""

import keras


class Normalizer(keras.layers.Layer):
    """Base of all normalizers: scores and a mask become weights.

    `call(scores, mask)` takes scores `(B, Tq, Tk)` in at least float32 and a
    boolean mask that broadcasts to them, or None, and returns weights of the
    scores' shape and dtype. They are zero wherever the mask is False; where a
    whole row is masked they are all zero, and so are their gradients.

    A normalizer that looks back defines `initial_state` and `next_state`, and
    its `call` takes one query at a time, `Tq = 1`, and `state=`. One that
    draws random numbers while training defines `noise`, and its `call` takes
    what that drew as `noise=`, or None.

    Attributes:
        detached: whether the context passes no gradient on to the weights,
            which then carry that of their own estimator.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> from keras_attention.normalizers.base import Normalizer
    >>> class Uniform(Normalizer):
    ...     def call(self, scores, mask=None):
    ...         ones = ops.ones_like(scores)
    ...         kept = ones if mask is None else ops.where(mask, ones, 0.0)
    ...         return kept / ops.maximum(ops.sum(kept, axis=-1, keepdims=True), 1.0)
    >>> Uniform()(np.zeros((1, 1, 4), "float32")).numpy().tolist()
    [[[0.25, 0.25, 0.25, 0.25]]]
    """

    detached = False

    def __init__(self, **kwargs):
        # Scores come in at least float32 and must not be cast down on the way in.
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def build(self, scores_shape, mask_shape=None):
        self.built = True

    def initial_state(self, memory):
        """What the first step looks back on: `()`, or tensors with the batch first."""
        return ()

    def next_state(self, state, weights):
        """What the next step looks back on, after a step that gave `weights` `(B, Tk)`."""
        return state

    def noise(self, shape, dtype):
        """Random numbers of `shape` `(B, Tq, Tk)` for a call while training, or None."""
        return None

    def call(self, scores, mask=None):
        raise NotImplementedError(f"{type(self).__name__} must define call(scores, mask).")

    def compute_output_shape(self, scores_shape, mask_shape=None):
        return scores_shape

    def compute_output_spec(self, scores, *args, **kwargs):
        return keras.KerasTensor(scores.shape, dtype=scores.dtype)
