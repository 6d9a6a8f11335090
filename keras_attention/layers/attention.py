"""Attention = score + mask + normalizer + weighted sum."""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_attention import normalizers, scores, windows
from keras_attention._core.backend.loops import scan
from keras_attention._core.checks import (
    check_features,
    check_rank,
    check_rate,
    check_shape,
    check_size,
    score_dtype,
)
from keras_attention._core.masks import keep_where_masked
from keras_attention._core.memory import Memory, flatten_positions, unflatten_positions
from keras_attention._core.structure import map_tensors, swap_batch_and_time


class AttentionState(NamedTuple):
    """What an attention looks back on, by who does; `()` where nothing does.

    Attributes:
        score: weights of earlier steps, for scores such as coverage.
        normalizer: the weights of the step before, for monotonic normalizers.
        window: how many queries there were, for local-m.

    Example:

    >>> from keras_attention import AttentionState
    >>> AttentionState()
    AttentionState(score=(), normalizer=(), window=())
    """

    score: Any = ()
    normalizer: Any = ()
    window: Any = ()


class AttentionNoise(NamedTuple):
    """What is random in an attention, drawn before it runs.

    Attributes:
        scores: for the normalizer, or None.
        dropout: what the weights are multiplied with, or None.
    """

    scores: Any = None
    dropout: Any = None


@keras.saving.register_keras_serializable(package="keras_attention")
class Attention(keras.layers.Layer):
    """Attends to a memory: compares, normalizes, and sums the values by weight.

        scores  = score(query, key)              (B, Tq, Tk)
        weights = normalizer(scores, mask)       (B, Tq, Tk), 0 where masked
        context = weights @ value                (B, Tq, Dv)

    Any score works with any normalizer, within any window. Scores and weights
    are computed in at least float32. Where everything is masked, weights and
    context are zero. Scores and normalizers that look back on earlier weights
    take the queries one after the other, all others at once.

    There are three views of the one computation: calling the layer on all
    queries; `memory()`, which projects the keys once; and `step()`, one query
    at a time, for recurrences and decoding.

    Source: Bahdanau, Cho and Bengio, 2015; Luong, Pham and Manning, 2015.

    Args:
        score: a name (see `keras_attention.scores.get`) or a `Score`.
        normalizer: a name (see `keras_attention.normalizers.get`) or a
            `Normalizer`.
        window: a `keras_attention.windows.Window`, which limits what each
            query sees, or None.
        dropout: share of the weights dropped while training.
        seed: of the dropout.
        **kwargs: of `keras.layers.Layer` (`name`, `dtype`, `trainable`).

    Call arguments:
        query: `(B, Tq, Dq)`, or one step `(B, Dq)`.
        value: `(B, Tk, Dv)`, or a feature map `(B, H, W, Dv)`, attended to as
            H*W positions.
        key: what the query is compared with, by default the value:
            `(B, Tk, Dk)` or `(B, H, W, Dk)`.
        query_mask: `(B, Tq)`, True for real queries; the others get a context
            of zeros. In the functional API Keras fills it in.
        value_mask: `(B, Tk)` or `(B, H, W)`, True for real positions. In the
            functional API Keras fills it in.
        return_attention_scores: whether to return the weights too.
        use_causal_mask: whether query i sees only the positions up to i.
        training: whether dropout acts.

    Returns:
        The context `(B, Tq, Dv)`, or `(B, Dv)` for one step; and on request
        the weights `(B, Tq, Tk)`, for feature maps `(B, Tq, H, W)`.

    Raises:
        ValueError: for an unknown score, normalizer or window, ranks, sizes or
            masks that do not fit, and empty input.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> attention = Attention("scaled_dot")
    >>> query, value = np.ones((2, 3, 8)), np.ones((2, 5, 8))
    >>> context, weights = attention(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 3, 8), (2, 3, 5))
    """

    def __init__(self, score, normalizer="softmax", window=None, dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_rate("dropout", dropout)
        # What is made here, from its name, has the policy of this layer.
        self.score = scores.get(score, dtype=self.dtype_policy)
        self.normalizer = normalizers.get(normalizer, dtype=self.dtype_policy)
        self.window = windows.get(window, dtype=self.dtype_policy)
        self.dropout = dropout
        self.seed = seed
        if dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        check_features(query=query_shape, value=value_shape, key=key_shape)
        # What was loaded with its weights is built already.
        if not self.score.built:
            self.score.build((None, None, query_shape[-1]), (None, None, key_shape[-1]))
        if not self.normalizer.built:
            self.normalizer.build((None, None, None))
        if self.window is not None and not self.window.built:
            self.window.build((None, None, query_shape[-1]))
        self._query_size, self._key_size = query_shape[-1], key_shape[-1]
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            self.score.trainable = self.normalizer.trainable = False
            if self.window is not None:
                self.window.trainable = False
        self.built = True

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
    ):
        self._check(query, value, key, query_mask, value_mask, use_causal_mask)
        memory = self.memory(value, key, value_mask)
        single = len(query.shape) == 2
        if single:
            query = ops.expand_dims(query, 1)
            query_mask = None if query_mask is None else ops.reshape(query_mask, (-1, 1))

        visible = None
        if use_causal_mask:
            visible = _causal_mask(ops.shape(query)[1], ops.shape(memory.keys)[-2])
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        noise = self.noise(memory, ops.shape(query)[1], training)
        context, weights, _ = self._attend(query, memory, None, query_mask, visible, noise)
        if single:
            context, weights = ops.squeeze(context, 1), ops.squeeze(weights, -2)
        if return_attention_scores:
            return context, unflatten_positions(weights, value)
        return context

    def memory(self, value, key=None, mask=None):
        """Projects the keys once, for any number of steps.

        Args:
            value: `(B, Tk, Dv)` or a feature map `(B, H, W, Dv)`.
            key: by default the value.
            mask: `(B, Tk)` or `(B, H, W)`, True for real positions.

        Returns:
            A `Memory`.

        Raises:
            ValueError: where the layer is not built yet. Call it once, or call
                `build(query_shape, value_shape)`.
        """
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} is not built, so it does not know the query's size yet. "
                "Call the layer once, or layer.build(query_shape, value_shape), before "
                "layer.memory(value)."
            )
        value = ops.convert_to_tensor(value, dtype=self.compute_dtype)
        key = value if key is None else ops.convert_to_tensor(key, dtype=self.compute_dtype)
        one = key is value
        value = flatten_positions(value)
        key = value if one else flatten_positions(key)
        if mask is not None:
            mask = flatten_positions(ops.cast(mask, "bool"), trailing=0)
            # Zero times the infinity or NaN of some padding would still be NaN.
            kept = ops.expand_dims(mask, -1)
            value = ops.where(kept, value, ops.zeros_like(value))
            key = value if one else ops.where(kept, key, ops.zeros_like(key))
        keys = ops.cast(self.score.project_keys(key), score_dtype(self.compute_dtype))
        return Memory(keys, value, mask)

    def attend(self, query, memory, state=None, query_mask=None, noise=None):
        """Attends with all queries at once.

        Args:
            query: `(B, Tq, Dq)`.
            memory: from `memory()`.
            state: what the first query looks back on; by default
                `initial_state(memory)`.
            query_mask: `(B, Tq)`, True for real queries. The others get zeros
                and leave the state as it is.
            noise: from `noise()`.

        Returns:
            The contexts `(B, Tq, Dv)`, the weights `(B, Tq, Tk)` (over the
            flattened positions of a feature map) and the last state.
        """
        query = ops.convert_to_tensor(query, dtype=self.compute_dtype)
        return self._attend(query, memory, state, query_mask, None, noise)

    def step(self, query, memory, state=None, noise=None):
        """Attends with one query.

        Args:
            query: `(B, Dq)`.
            memory: from `memory()`.
            state: from the step before; by default `initial_state(memory)`.
            noise: one step of what `noise()` drew.

        Returns:
            The context `(B, Dv)`, the weights `(B, Tk)` (over the flattened
            positions of a feature map) and the next state.
        """
        query = ops.expand_dims(ops.convert_to_tensor(query, dtype=self.compute_dtype), 1)
        noise = map_tensors(lambda drawn: ops.expand_dims(drawn, 1), noise)
        context, weights, state = self._attend(query, memory, state, None, None, noise)
        return ops.squeeze(context, 1), ops.squeeze(weights, -2), state

    def initial_state(self, memory):
        """What the first step looks back on: an `AttentionState`, empty where nothing does."""
        window = () if self.window is None else self.window.initial_state(memory)
        return AttentionState(
            self.score.initial_state(memory), self.normalizer.initial_state(memory), window
        )

    def noise(self, memory, steps, training=True):
        """Draws, once for a whole sequence of `steps` queries, all that is random in it.

        Outside a recurrence's loop, since a backend may not count on random
        numbers inside it.

        Returns:
            An `AttentionNoise` whose tensors are `(B, steps, Tk)`, or None.
        """
        if not training:
            return None
        shape = (ops.shape(memory.keys)[0], steps, ops.shape(memory.keys)[1])
        drawn = self.normalizer.noise(shape, memory.keys.dtype)
        dropped = None
        if self.dropout:
            ones = ops.ones(shape, dtype=self.compute_dtype)
            dropped = keras.random.dropout(ones, self.dropout, seed=self.seed_generator)
        return None if drawn is None and dropped is None else AttentionNoise(drawn, dropped)

    def context_size(self, value_size):
        """The features of a context over values of `value_size` features."""
        return value_size

    def _attend(self, query, memory, state, query_mask, visible, noise):
        """As `attend`; `visible` `(B or 1, Tq, Tk)` says what else each query sees, if not None."""
        state = self.initial_state(memory) if state is None else AttentionState(*state)
        asks = None
        if query_mask is not None:
            query_mask = ops.cast(query_mask, "bool")
            asks = ops.expand_dims(query_mask, -1)
            # What stands in the padding must not reach a gradient either.
            query = ops.where(asks, query, ops.zeros_like(query))
        # By rows: inside a loop XLA cannot differentiate a Dense at rank 3.
        rows = ops.reshape(query, (-1, query.shape[-1]))
        projected = ops.cast(self.score.project_query(rows), memory.keys.dtype)
        projected = ops.reshape(projected, (*ops.shape(query)[:2], projected.shape[-1]))

        if query.shape[1] == 1 or not tree.flatten((state.score, state.normalizer)):
            sees = _both(asks, visible)
            weights, after = self._weigh(query, projected, memory, state, query_mask, sees, noise)
            state = keep_where_masked(query_mask, after, state) if query.shape[1] == 1 else after
        else:
            weights, state = self._weigh_in_turn(
                query, projected, memory, state, query_mask, visible, noise
            )
        weighed = ops.cast(weights, memory.values.dtype)
        dropped = ops.stop_gradient(weighed) if self.normalizer.detached else weighed
        if noise is not None and noise.dropout is not None:
            dropped = dropped * noise.dropout
        return ops.matmul(dropped, memory.values), weighed, state

    def _weigh(self, query, projected, memory, state, query_mask, visible, noise):
        looks_back = (state.score,) if tree.flatten(state.score) else ()
        scores = self.score.compare(projected, memory.keys, *looks_back)
        mask = None if memory.mask is None else ops.expand_dims(memory.mask, 1)
        mask = _both(mask, visible)
        factors, window = None, state.window
        if self.window is not None:
            inside, factors, window = self.window(
                query, memory, state=state.window, query_mask=query_mask
            )
            mask = _both(mask, inside)
        options = {}
        if tree.flatten(state.normalizer):
            options["state"] = state.normalizer
        if noise is not None and noise.scores is not None:
            options["noise"] = noise.scores
        weights = self.normalizer(scores, mask=mask, **options)
        if factors is not None:
            weights = weights * factors
        if not tree.flatten((state.score, state.normalizer)):
            return weights, AttentionState(window=window)
        last = ops.squeeze(weights, 1)
        return weights, AttentionState(
            self.score.next_state(state.score, last),
            self.normalizer.next_state(state.normalizer, last),
            window,
        )

    def _weigh_in_turn(self, query, projected, memory, state, query_mask, visible, noise):
        if visible is not None:
            # Scanned along the queries, so that one batch row for all is not enough.
            shape = (ops.shape(query)[0], *ops.shape(visible)[1:])
            visible = ops.broadcast_to(visible, shape)
        drawn = None if noise is None else noise.scores
        xs = map_tensors(swap_batch_and_time, (query, projected, query_mask, visible, drawn))

        def one(before, x):
            query, projected, asks, visible, drawn = x
            drawn = None if drawn is None else AttentionNoise(ops.expand_dims(drawn, 1))
            query, projected = ops.expand_dims(query, 1), ops.expand_dims(projected, 1)
            sees = None if visible is None else ops.expand_dims(visible, 1)
            if asks is not None:
                sees = _both(ops.reshape(asks, (-1, 1, 1)), sees)
            weights, after = self._weigh(query, projected, memory, before, None, sees, drawn)
            return keep_where_masked(asks, after, before), (ops.squeeze(weights, 1),)

        state, (weights,) = scan(one, state, xs, (memory.keys.dtype,))
        return swap_batch_and_time(weights), state

    def _check(self, query, value, key, query_mask, value_mask, use_causal_mask):
        check_rank("query", query, (2, 3), "(batch, length, features) or (batch, features)")
        meaning = "(batch, length, features) or a feature map (batch, height, width, features)"
        check_rank("value", value, (3, 4), meaning)
        batch = query.shape[0]
        check_shape("value", value, (batch, *value.shape[1:]), "as many rows as query has")
        positions = value.shape[1:-1]
        if key is not None:
            expected = (value.shape[0], *positions, key.shape[-1])
            check_shape("key", key, expected, "as many rows and positions as value has")
        if query_mask is not None:
            check_shape("query_mask", query_mask, query.shape[:-1], "one boolean a query")
        if value_mask is not None:
            expected = (value.shape[0], *positions)
            check_shape("value_mask", value_mask, expected, "one boolean a position of value")
        if self.built:
            check_size("query", query, self._query_size)
            name, compared = ("value", value) if key is None else ("key", key)
            check_size(name, compared, self._key_size)
        if use_causal_mask and (len(query.shape) == 2 or len(value.shape) == 4):
            raise ValueError(
                "use_causal_mask: expected a query and a value of shape (batch, length, "
                f"features), received query of shape {tuple(query.shape)} and value of shape "
                f"{tuple(value.shape)}."
            )

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
    ):
        self._check(query, value, key, query_mask, value_mask, use_causal_mask)
        queries = query.shape[:-1]
        context = keras.KerasTensor((*queries, value.shape[-1]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return context
        weights = keras.KerasTensor((*queries, *value.shape[1:-1]), dtype=self.compute_dtype)
        return context, weights

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return (*query_shape[:-1], value_shape[-1])

    def compute_mask(self, query, previous_mask=None):
        # The context stands where the query stood.
        return previous_mask

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "normalizer": keras.saving.serialize_keras_object(self.normalizer),
            "window": keras.saving.serialize_keras_object(self.window),
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _both(mask, other):
    if mask is None or other is None:
        return other if mask is None else mask
    return ops.logical_and(mask, other)


def _causal_mask(queries, positions):
    rows = ops.expand_dims(ops.arange(queries), 1)
    return ops.expand_dims(rows >= ops.expand_dims(ops.arange(positions), 0), 0)
