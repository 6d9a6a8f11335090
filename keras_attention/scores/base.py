"""The base class of all scores."""

import keras
from keras import ops

from keras_attention._core.checks import (
    received,
    score_dtype,
)
from keras_attention._core.structure import map_tensors


class Score(keras.layers.Layer):
    """Base of all scores: `score(query, key) = compare(project_query(query), project_keys(key))`.

    To write one's own, override `compare` and, where there is something to
    learn, `build(query_shape, key_shape)` and the projections. A score that
    looks back on earlier weights defines `initial_state` and `next_state`, and
    its `compare(query, keys, state)` takes one query at a time, `Tq = 1`.

    Shapes: `query` `(B, Tq, Dq)`, `key` `(B, Tk, Dk)`; the scores are
    `(B, Tq, Tk)` in at least float32.

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

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, query_shape, key_shape):
        self.built = True

    def project_query(self, query):
        """`(..., Dq)` to the space of comparison, once a step."""
        return query

    def project_keys(self, key):
        """`(B, Tk, Dk)` to the space of comparison, once a sequence."""
        return key

    def compare(self, query, keys):
        """`(B, Tq, U)` and `(B, Tk, U)`, both projected, to `(B, Tq, Tk)`."""
        raise NotImplementedError(f"{type(self).__name__} must define compare(query, keys).")

    def initial_state(self, memory):
        """What the first step looks back on: `()`, or tensors with the batch first."""
        return ()

    def next_state(self, state, weights):
        """What the next step looks back on, after a step that gave `weights` `(B, Tk)`."""
        return state

    def call(self, query, key, state=None):
        dtype = score_dtype(self.compute_dtype)
        query = ops.cast(self.project_query(query), dtype)
        # Keras cast it to the compute dtype on the way in.
        looks_back = () if state is None else (map_tensors(lambda s: ops.cast(s, dtype), state),)
        return self.compare(query, ops.cast(self.project_keys(key), dtype), *looks_back)

    def compute_output_shape(self, query_shape, key_shape):
        return (*query_shape[:-1], key_shape[1])

    def compute_output_spec(self, query, key, state=None):
        shape = self.compute_output_shape(query.shape, key.shape)
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))

    def _scalar(self, name, value):
        # Not autocast: `compare` works in at least float32 whatever the policy.
        return self.add_weight(
            shape=(), initializer=keras.initializers.Constant(value), autocast=False, name=name
        )

    def _require_equal_sizes(self, query_shape, key_shape, instead):
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(
                f"{type(self).__name__} compares query and key feature by feature: their last "
                f"sizes must be equal, {received(query=query_shape, key=key_shape)}. {instead}"
            )


def _dot(query, keys):
    return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))
