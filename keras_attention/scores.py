"""How a query is compared with a key: one small class a score.

A score projects the keys (once a sequence), projects the query (once a step)
and compares the two. Queries and keys reach `compare` in at least float32.
Some scores look back on the weights of the steps before.
"""

import math

import keras
from keras import ops

from keras_attention.blockwise import additive_scores
from keras_attention.checks import (
    check_choice,
    check_flag,
    check_positive,
    received,
    score_dtype,
)
from keras_attention.memory import initial_alignment
from keras_attention.structures import map_tensors


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
    >>> from keras_attention.scores import Score
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


@keras.saving.register_keras_serializable(package="keras_attention")
class Dot(Score):
    """Dot product: `score = g * query . key`, `g` learned if `scale`, else 1.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based
    Neural Machine Translation", 2015.

    Args:
        scale: whether to learn `g`, which starts at 1.

    Raises:
        ValueError: at build, where query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores import Dot
    >>> float(Dot()(np.ones((1, 1, 4)), np.ones((1, 1, 4)))[0, 0, 0])
    4.0
    """

    def __init__(self, scale=False, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, query_shape, key_shape):
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' where they differ."
        )
        self.g = self._scalar("g", 1.0) if self.scale else None
        self.built = True

    def compare(self, query, keys):
        if self.g is not None:
            # On the query: the smaller of the two.
            query = query * ops.cast(self.g, query.dtype)
        return _dot(query, keys)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_attention")
class ScaledDot(Score):
    """Scaled dot product: `score = query . key / sqrt(D)`, D their common size.

    Source: Vaswani et al., "Attention Is All You Need", 2017.

    Raises:
        ValueError: at build, where query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores import ScaledDot
    >>> float(ScaledDot()(np.ones((1, 1, 4)), np.ones((1, 1, 4)))[0, 0, 0])
    2.0
    """

    def build(self, query_shape, key_shape):
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' where they differ."
        )
        self.built = True

    def compare(self, query, keys):
        return _dot(query / math.sqrt(query.shape[-1]), keys)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class General(Score):
    """Luong's general score, also called bilinear: `score = g * query^T W key`.

    The keys are projected, `W key`, so that this is done once a sequence.

    Source: Luong, Pham and Manning, 2015; the learned `g` is that of
    `tfa.seq2seq.LuongAttention(scale=True)`.

    Args:
        units: rows of `W`; the query's size, which is also the default.
        scale: whether to learn `g`, which starts at 1.
        kernel_initializer: for `W`.

    Raises:
        ValueError: where `units` is not positive, or at build is not the
            query's size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores import General
    >>> tuple(General()(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(self, units=None, scale=False, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_positive("units", units)
        self.units = units
        self.scale = scale
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, key_shape):
        units = query_shape[-1] if self.units is None else self.units
        if units != query_shape[-1]:
            raise ValueError(
                "General multiplies the projected key with the query itself: units must be the "
                f"query's last size or None, received units={units}, {received(query=query_shape)}."
            )
        self.key_projection = keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="key_projection",
        )
        self.key_projection.build(key_shape)
        self.g = self._scalar("g", 1.0) if self.scale else None
        self.built = True

    def project_keys(self, key):
        return self.key_projection(key)

    compare = Dot.compare

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "scale": self.scale,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Additive(Score):
    """Additive score, which is also Luong's concat: `score = v . act(W query + U key + b)`.

    `[W U]` applied to `[query; key]` is `W query + U key`: Luong's concat and
    Bahdanau's additive score are one function, and the split weights let the
    keys be projected once. With `normalize` the vector becomes
    `g * v / |v|`, with `g` starting at `sqrt(1 / units)`.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly
    Learning to Align and Translate", 2015 (no bias); Luong, Pham and Manning,
    2015; the normalised form, with bias, as Raffel et al., "Online and
    Linear-Time Attention by Enforcing Monotonic Alignments", 2017, use it.

    Args:
        units: the size U of the common space; by default the query's size.
        activation: the non-linearity: tanh (as published), sigmoid, relu or
            any other Keras activation.
        normalize: whether `v` is weight-normalised.
        use_bias: whether there is a `b`; by default as `normalize`.
        kernel_initializer: for W, U and v.

    Raises:
        ValueError: where `units` is not positive, or `normalize` no boolean.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores import Additive
    >>> score = Additive(8, activation="relu")
    >>> tuple(score(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(
        self,
        units=None,
        activation="tanh",
        normalize=False,
        use_bias=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units is not None:
            check_positive("units", units)
        check_flag("normalize", normalize)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.normalize = normalize
        self.use_bias = normalize if use_bias is None else use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, key_shape):
        units = query_shape[-1] if self.units is None else self.units

        def projection(name, shape, use_bias=False):
            dense = keras.layers.Dense(
                units,
                use_bias=use_bias,
                # A clone, or all kernels of one size would start out equal.
                kernel_initializer=self.kernel_initializer.clone(),
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            dense.build(shape)
            return dense

        self.query_projection = projection("query_projection", query_shape)
        self.key_projection = projection("key_projection", key_shape, self.use_bias)
        self.v = self.add_weight(
            shape=(units, 1),
            initializer=self.kernel_initializer.clone(),
            autocast=False,
            name="v",
        )
        self.g = self._scalar("g", math.sqrt(1.0 / units)) if self.normalize else None
        self.built = True

    def project_query(self, query):
        return self.query_projection(query)

    def project_keys(self, key):
        return self.key_projection(key)

    def compare(self, query, keys):
        v = ops.cast(self.v, query.dtype)
        if self.g is not None:
            v = ops.cast(self.g, query.dtype) * v * ops.rsqrt(ops.sum(ops.square(v)))
        return additive_scores(query, keys, v, self.activation)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "normalize": self.normalize,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Cosine(Score):
    """Cosine similarity: `score = beta * query . key / (|query| |key|)`.

    `beta = exp(b)` is learned and stays within 0 and 100; a cosine alone lies
    between -1 and 1 and could not make a softmax sharp. A vector of zeros has
    similarity 0, and no gradient.

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines", 2014, where
    a controller emits beta; here it is one learned number.

    Args:
        initial_scale: beta at the start, above 0 and at most 100.

    Raises:
        ValueError: where `initial_scale` is out of range, or at build where
            query and key differ in their last size.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores import Cosine
    >>> score = Cosine(initial_scale=10.0)
    >>> round(float(score(np.ones((1, 1, 4)), 7 * np.ones((1, 1, 4)))[0, 0, 0]), 3)
    10.0
    """

    max_scale = 100.0

    def __init__(self, initial_scale=10.0, **kwargs):
        super().__init__(**kwargs)
        if not 0 < initial_scale <= self.max_scale:
            raise ValueError(
                f"initial_scale: expected a number above 0 and at most {self.max_scale}, "
                f"received {initial_scale!r}."
            )
        self.initial_scale = initial_scale

    def build(self, query_shape, key_shape):
        self._require_equal_sizes(
            query_shape, key_shape, "Use the score 'general' or 'concat' where they differ."
        )
        self.log_scale = self._scalar("log_scale", math.log(self.initial_scale))
        self.built = True

    def compare(self, query, keys):
        log_scale = ops.cast(self.log_scale, query.dtype)
        scale = ops.exp(ops.minimum(log_scale, math.log(self.max_scale)))
        return scale * _dot(_unit(query), _unit(keys))

    def get_config(self):
        return {**super().get_config(), "initial_scale": self.initial_scale}


def _unit(x):
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    # Dividing a vector of zeros by a floor would keep it, but make its gradient huge.
    nothing = square < 1e-24
    unit = x * ops.rsqrt(ops.where(nothing, ops.ones_like(square), square))
    return ops.where(nothing, ops.zeros_like(x), unit)


@keras.saving.register_keras_serializable(package="keras_attention")
class Biaffine(Score):
    """Biaffine score: `score = query^T W key + u . query + v . key + b`.

    Luong's general score with what each side says alone.

    Source: Dozat and Manning, "Deep Biaffine Attention for Neural Dependency
    Parsing", 2017.

    Args:
        kernel_initializer: for W and v; zeros, so that attention starts out
            even.

    Example:

    >>> import numpy as np
    >>> from keras_attention.scores import Biaffine
    >>> tuple(Biaffine()(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 5)
    """

    def __init__(self, kernel_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, key_shape):
        # One projection for all: its first columns are W key + u, its last is v . key + b.
        self.key_projection = keras.layers.Dense(
            query_shape[-1] + 1,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="key_projection",
        )
        self.key_projection.build(key_shape)
        self.built = True

    def project_keys(self, key):
        return self.key_projection(key)

    def compare(self, query, keys):
        return _dot(query, keys[..., :-1]) + ops.expand_dims(keys[..., -1], 1)

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class _LookingBack(Additive):
    """An additive score whose keys gain, at every step, features of the weights before it."""

    def __init__(self, units, initial_alignment, use_bias=True, **kwargs):
        super().__init__(units, use_bias=use_bias, **kwargs)
        check_choice("initial_alignment", initial_alignment, ("zeros", "uniform", "first"))
        self.initial_alignment = initial_alignment

    def initial_state(self, memory):
        return initial_alignment(self.initial_alignment, memory)

    def compare(self, query, keys, state=None):
        if state is None:
            raise ValueError(
                f"state: expected what {type(self).__name__} looks back on, from "
                "initial_state(memory) or next_state(state, weights), received None."
            )
        return super().compare(query, keys + self.features(state))

    def features(self, state):
        """The state to what is added to the projected keys `(B, Tk, U)`."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "initial_alignment": self.initial_alignment}


@keras.saving.register_keras_serializable(package="keras_attention")
class Location(_LookingBack):
    """Location-sensitive score: `score_j = v . tanh(W query + U key_j + V f_j + b)`.

    f is a convolution over the weights of the step before, so that the score
    knows where attention was. It reads positions as a line; padding is
    expected at the end. A gradient flows through the weights.

    Source: Chorowski et al., "Attention-Based Models for Speech Recognition",
    2015 (10 filters of width 201). The paper does not say what stands before
    the first step; here weights are even over the real positions, as in ESPnet
    and SpeechBrain.

    Args:
        units: the size U of the common space; by default the query's size.
        filters: how many.
        kernel_size: their width, in positions.
        initial_alignment: `"uniform"` over the real positions, `"zeros"`, or
            `"first"`, all of it on the first real position.
        **kwargs: of `Additive`; `use_bias` is True here.

    Raises:
        ValueError: for sizes that are not positive and another alignment.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.Location(8, filters=2, kernel_size=3))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(
        self, units=None, filters=32, kernel_size=31, initial_alignment="uniform", **kwargs
    ):
        super().__init__(units, initial_alignment, **kwargs)
        check_positive("filters", filters)
        check_positive("kernel_size", kernel_size)
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        units = self.v.shape[0]
        self.convolution = self.add_weight(
            shape=(self.kernel_size, self._channels, self.filters), autocast=False, name="filters"
        )
        self.feature_projection = self.add_weight(
            shape=(self.filters, units), autocast=False, name="feature_projection"
        )

    _channels = 1

    def next_state(self, state, weights):
        return weights

    def features(self, state):
        return self._convolved(ops.expand_dims(state, -1))

    def _convolved(self, alignments):
        filters = ops.cast(self.convolution, alignments.dtype)
        found = ops.conv(alignments, filters, padding="same", data_format="channels_last")
        return ops.matmul(found, ops.cast(self.feature_projection, alignments.dtype))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class CumulativeLocation(Location):
    """Location-sensitive score that also sees the sum of all weights so far.

    As `Location`, with f a convolution over two channels: the weights of the
    step before, and the sum of those of all steps before.

    Source: Shen et al., "Natural TTS Synthesis by Conditioning WaveNet on Mel
    Spectrogram Predictions" (Tacotron 2), 2018: 32 filters of width 31, zeros
    before the first step.

    Args:
        units, filters, kernel_size, **kwargs: as in `Location`.
        initial_alignment: as in `Location`, for both channels.

    Raises:
        ValueError: as `Location`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.CumulativeLocation(8, filters=2, kernel_size=3))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    _channels = 2

    def __init__(self, units=None, filters=32, kernel_size=31, initial_alignment="zeros", **kwargs):
        super().__init__(units, filters, kernel_size, initial_alignment, **kwargs)

    def initial_state(self, memory):
        return (super().initial_state(memory),) * 2

    def next_state(self, state, weights):
        _, total = state
        return weights, total + weights

    def features(self, state):
        return self._convolved(ops.stack(state, axis=-1))


@keras.saving.register_keras_serializable(package="keras_attention")
class Coverage(_LookingBack):
    """Coverage score: `score_j = v . tanh(W query + U key_j + w c_j + b)`.

    c_j is the coverage, the sum of the weights that position j got in all
    steps before: what was attended to need not be attended to again. Train
    with `keras_attention.losses.coverage_loss` beside the main loss.

    Source: See, Liu and Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks", 2017, with no coverage before the first step.

    Args:
        units: the size U of the common space; by default the query's size.
        initial_alignment: what the coverage starts from: `"zeros"`,
            `"uniform"` over the real positions (ESPnet) or `"first"`.
        **kwargs: of `Additive`; `use_bias` is True here.

    Raises:
        ValueError: for `units` that are not positive and another alignment.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.Coverage(8))
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(self, units=None, initial_alignment="zeros", **kwargs):
        super().__init__(units, initial_alignment, **kwargs)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        units = self.v.shape[0]
        self.coverage = self.add_weight(shape=(1, units), autocast=False, name="coverage")

    def next_state(self, state, weights):
        return state + weights

    def features(self, state):
        return ops.expand_dims(state, -1) * ops.cast(self.coverage, state.dtype)


NAMES = {
    "dot": Dot,
    "scaled_dot": ScaledDot,
    "general": General,
    "biaffine": Biaffine,
    "concat": Additive,
    "additive": Additive,
    "cosine": Cosine,
    "location": Location,
    "cumulative_location": CumulativeLocation,
    "coverage": Coverage,
}


def get(score, **kwargs):
    """The score named `score`, or `score` itself where it is one already.

    Args:
        score: a name (`"dot"`, `"scaled_dot"`, `"general"`, `"biaffine"`,
            `"concat"`, also called `"additive"`, `"cosine"`, `"location"`,
            `"cumulative_location"`, `"coverage"`), a `Score`, or the config of
            one.
        **kwargs: for the constructor, where a name is given.

    Raises:
        ValueError: where there is no such score.

    Example:

    >>> from keras_attention import scores
    >>> type(scores.get("concat", units=8)).__name__
    'Additive'
    """
    if isinstance(score, dict):
        score = keras.saving.deserialize_keras_object(score)
    if isinstance(score, Score):
        return score
    if isinstance(score, str) and score in NAMES:
        return NAMES[score](**kwargs)
    raise ValueError(
        f"score: expected one of {', '.join(map(repr, NAMES))} or a "
        f"keras_attention.scores.Score, received {score!r}."
    )
