"""Pointer network: the output is a position of the input."""

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
from keras_attention._core.masks import masked_log_softmax
from keras_attention._core.memory import Memory


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerHead(keras.layers.Layer):
    """Points at positions of its input: `p(y_t = j) = softmax_j(v . tanh(W q_t + U h_j))`.

    What it gives are log-probabilities, which are logits as well. Masked
    positions, and those that are used already, get -1e30.

    With `end`, there is one more choice, a learned vector that says that
    nothing follows: it is choice 0, and position j is choice j + 1, so that no
    choice depends on how long the padding is.

    Source: Vinyals, Fortunato and Jaitly, "Pointer Networks", 2015, which
    counts the positions from 1, too.

    Args:
        score: a name (see `keras_attention.scores.get`) or a `Score` that does
            not look back; the paper's is additive.
        end: whether there is the choice of an end.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        query: `(B, T, Dq)`, or one step `(B, Dq)`.
        value: `(B, S, D)`, the positions to choose from.
        used: `(B, T, S)`, or `(B, S)` for all steps, True for positions that
            may not be chosen; see `used_positions`.
        query_mask: `(B, T)`, True for real steps; the others give finite
            numbers without meaning. In the functional API Keras fills it in.
        value_mask: `(B, S)`, True for real positions; likewise.

    Returns:
        `(B, T, S)`, or `(B, S)` for one step, with `end` S + 1, in at least
        float32.

    Raises:
        ValueError: for an unknown score, one that looks back, and ranks, sizes
            or masks that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers.pointer import PointerHead
    >>> query, value = np.ones((2, 3, 4)), np.ones((2, 4, 6))
    >>> log_p = PointerHead()(query, value, used=np.array([[0, 0, 0, 1]] * 2, bool))
    >>> [round(float(p), 4) for p in np.exp(log_p)[0, 0]]
    [0.3333, 0.3333, 0.3333, 0.0]
    """

    def __init__(self, score="additive", end=False, **kwargs):
        super().__init__(**kwargs)
        check_flag("end", end)
        self._score_name = score if isinstance(score, str) else None
        self.score = scores.get(score, dtype=self.dtype_policy)
        self.end = end
        self.supports_masking = True

    def build(self, query_shape, value_shape, used_shape=None):
        check_features(query=query_shape, value=value_shape)
        # What was loaded with its weights is built already.
        if not self.score.built:
            self.score.build((None, None, query_shape[-1]), (None, None, value_shape[-1]))
        if self.end:
            self.end_vector = self.add_weight(
                shape=(1, 1, value_shape[-1]), initializer="glorot_uniform", name="end_vector"
            )
        self._query_size, self._value_size = query_shape[-1], value_shape[-1]
        freeze_parts(self, [self.score])
        self.built = True

    def call(self, query, value, used=None, query_mask=None, value_mask=None):
        self._check(query, value, used, query_mask, value_mask)
        return self._point(query, self.memory(value, value_mask), used, query_mask)

    def memory(self, value, mask=None):
        """Projects the positions once, for any number of steps; see `Attention.memory`."""
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # Zero times the infinity or NaN of some padding would still be NaN.
            value = ops.where(ops.expand_dims(mask, -1), value, ops.zeros_like(value))
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
                "score: expected one that does not look back on earlier weights, received "
                f"{type(self.score).__name__}."
            )
        return memory

    def step(self, query, memory, used=None):
        """The log-probabilities `(B, S)` of one step; `query` is `(B, Dq)`, `used` `(B, S)`."""
        return self._point(query, memory, used, None)

    def _point(self, query, memory, used, query_mask):
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        single = len(query.shape) == 2
        if query_mask is not None:
            asks = ops.expand_dims(ops.cast(query_mask, "bool"), -1)
            query = ops.where(asks, query, ops.zeros_like(query))
        if single:
            query = ops.expand_dims(query, 1)
        # By rows: inside a loop XLA cannot differentiate a Dense at rank 3.
        rows = ops.reshape(query, (-1, query.shape[-1]))
        projected = ops.cast(self.score.project_query(rows), memory.keys.dtype)
        projected = ops.reshape(projected, (*ops.shape(query)[:2], projected.shape[-1]))
        compared = self.score.compare(projected, memory.keys)
        log_p = masked_log_softmax(compared, self._open(memory, used))
        return ops.squeeze(log_p, 1) if single else log_p

    def _open(self, memory, used):
        """What may be chosen: `(B, 1 or T, S)`, or None for everything."""
        mask = None if memory.mask is None else ops.expand_dims(memory.mask, 1)
        if used is None:
            return mask
        free = ops.logical_not(ops.cast(used, "bool"))
        if len(free.shape) == 2:
            free = ops.expand_dims(free, 1)
        if self.end:
            # However much is used, it can end.
            free = _true_before(free)
        return free if mask is None else ops.logical_and(mask, free)

    def _check(self, query, value, used, query_mask, value_mask):
        check_rank("query", query, (2, 3), "(batch, length, features) or (batch, features)")
        check_rank("value", value, (3,), "(batch, positions, features)")
        batch, positions = value.shape[:2]
        check_shape("value", value, (query.shape[0], *value.shape[1:]), "as many rows as query has")
        if query_mask is not None:
            check_shape("query_mask", query_mask, query.shape[:-1], "one boolean a query")
        if value_mask is not None:
            check_shape("value_mask", value_mask, (batch, positions), "one boolean a position")
        if used is not None:
            used = ops.convert_to_tensor(used)
            ranks = (2, 3) if len(query.shape) == 3 else (2,)
            check_rank("used", used, ranks, "one boolean a position, for all steps or for each")
            steps = query.shape[1:-1] if len(used.shape) == 3 else ()
            check_shape("used", used, (batch, *steps, positions), "one boolean a position")
        if self.built:
            check_size("query", query, self._query_size)
            check_size("value", value, self._value_size)

    def compute_output_shape(self, query_shape, value_shape, used_shape=None):
        positions = value_shape[1]
        if self.end and positions is not None:
            positions += 1
        return (*query_shape[:-1], positions)

    def compute_output_spec(self, query, value, used=None, query_mask=None, value_mask=None):
        self._check(query, value, used, query_mask, value_mask)
        shape = self.compute_output_shape(query.shape, value.shape)
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))

    def compute_mask(self, query, previous_mask=None):
        # A step stands where its query stood.
        return previous_mask

    def get_config(self):
        score = self._score_name or keras.saving.serialize_keras_object(self.score)
        return {**super().get_config(), "score": score, "end": self.end}


def _true_before(mask):
    # Not by a padding, which ONNX has for numbers only.
    return ops.concatenate([ops.ones_like(mask[..., :1]), mask], axis=-1)


def used_positions(choices, positions):
    """Which positions were chosen before each step, `(B, T, positions)`.

    For the `used` of a `PointerHead` in training, where all choices are known.

    Args:
        choices: `(B, T)` positions from 0 on. Others, as -1 for padding, are
            none; so with an end at choice 0, pass `choices - 1`.
        positions: how many there are.

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
