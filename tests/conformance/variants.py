"""The rows of the table: every variant, with the inputs it is tried on and its reference.

A new variant is one line in `ATTENTIONS` or `RECURRENT`, and its formula in `reference.py`.
"""

from functools import partial

import keras
import numpy as np
from keras import layers, ops

from keras_attention import (
    Attention,
    AttentionRNN,
    BahdanauAttention,
    LuongAttention,
    MultiHeadAttention,
    normalizers,
    scores,
    vision,
    windows,
)
from keras_attention.testing._subject import ENDING_MASK, QUERY_SIZE, VALUE_MASK, Subject
from tests.conformance import reference


def attention(name, make, score, value_size=6, compiled=True):
    computes = reference.attention(reference.means(score))
    return Subject(name, make, computes, "query", value_size, compiled)


def weighed(name, normalizer, weigh, start=reference.zeros, **flags):
    """A row for a normalizer, under the general score."""
    how = reference.means(reference.general, weigh, start=start)

    def make(dtype):
        return Attention("general", normalizer(dtype=dtype), dtype=dtype)

    return Subject(f"general-{name}", make, reference.attention(how), "query", 6, **flags)


def seen(window, sees, **flags):
    """A row for a window, under the general score."""
    how = reference.means(reference.general, window=sees)

    def make(dtype):
        return Attention("general", window=window(dtype=dtype), dtype=dtype)

    name = f"general-{window(dtype='float32').name}"
    return Subject(name, make, reference.attention(how), "query", 6, **flags)


def looking_back(name, score, gains, start, **flags):
    how = reference.means(reference.looking_back(gains), start=start)
    make = of(score)
    return Subject(name, make, reference.attention(how), "query", 6, **flags)


def mixture(name, version="v2", units=None, normalizer="softmax", weigh=reference.softmax, **flags):
    """A row for a mixture of Gaussians."""

    def make(dtype):
        score = scores.GaussianMixture(2, units, version, dtype=dtype)
        return Attention(score, normalizer, dtype=dtype)

    computes = reference.attention(reference.means(reference.mixture(version), weigh))
    return Subject(name, make, computes, "query", 6, value_mask=ENDING_MASK, **flags)


def gated(score, compare, gate="scalar"):
    """A row for a gate."""
    how = reference.means(compare, gate=reference.gated)

    def make(dtype):
        return vision.GatedAttention(score, gate=gate, dtype=dtype)

    computes = reference.attention(how)
    return Subject(f"gated-{score}-{gate}", make, computes, "query", 6, compiled=False)


def named(score):
    return lambda dtype: Attention(score, dtype=dtype)


def bahdanau(**options):
    return lambda dtype: BahdanauAttention(5, dtype=dtype, **options)


def luong(**options):
    return lambda dtype: LuongAttention(dtype=dtype, **options)


def of(score, **options):
    """An `Attention` over a score with options of its own."""
    return lambda dtype: Attention(score(dtype=dtype, **options), dtype=dtype)


TANH = reference.additive(np.tanh)
NORMALIZED = reference.additive(np.tanh, normalize=True)
RELU = reference.additive(reference.relu)
SIGMOID = reference.additive(reference.sigmoid)

MONOTONIC = {"start": reference.first, "sums_to_one": False}
STEPWISE = {"start": reference.first, "value_mask": ENDING_MASK}

ATTENTIONS = [
    attention("dot", named("dot"), reference.dot, value_size=4),
    attention("dot-scale", of(scores.Dot, scale=True), reference.dot_with_scale, 4),
    attention("scaled_dot", named("scaled_dot"), reference.scaled_dot, 4),
    attention("general", named("general"), reference.general),
    attention("general-scale", of(scores.General, scale=True), reference.general_with_scale),
    attention("additive", named("additive"), TANH),
    attention("additive-relu", of(scores.Additive, activation="relu"), RELU),
    attention("additive-sigmoid", of(scores.Additive, activation="sigmoid"), SIGMOID),
    attention("additive-normalize", of(scores.Additive, normalize=True), NORMALIZED),
    attention("cosine", named("cosine"), reference.cosine, 4),
    attention("bahdanau", bahdanau(), TANH),
    attention("bahdanau-normalize", bahdanau(normalize=True), NORMALIZED, compiled=False),
    attention("bahdanau-relu", bahdanau(activation="relu"), RELU, compiled=False),
    attention("luong", luong(), reference.general, compiled=False),
    attention("luong-scale", luong(scale=True), reference.general_with_scale, compiled=False),
    attention("luong-dot", luong(score="dot"), reference.dot, 4, compiled=False),
    attention("luong-concat", luong(score="concat", units=5), TANH, compiled=False),
    attention("luong-scaled_dot", luong(score="scaled_dot"), reference.scaled_dot, 4, False),
    attention("luong-cosine", luong(score="cosine"), reference.cosine, 4, compiled=False),
    attention("biaffine", named("biaffine"), reference.biaffine),
    looking_back(
        "location",
        lambda dtype: scores.Location(5, filters=2, kernel_size=3, dtype=dtype),
        reference.location,
        reference.uniform,
        value_mask=ENDING_MASK,
    ),
    looking_back(
        "location-first",
        lambda dtype: scores.Location(
            filters=2, kernel_size=4, initial_alignment="first", dtype=dtype
        ),
        reference.location,
        reference.first,
        value_mask=ENDING_MASK,
        compiled=False,
    ),
    looking_back(
        "cumulative_location",
        lambda dtype: scores.CumulativeLocation(5, filters=2, kernel_size=3, dtype=dtype),
        reference.cumulative_location,
        reference.zeros,
        value_mask=ENDING_MASK,
    ),
    looking_back(
        "coverage", lambda dtype: scores.Coverage(dtype=dtype), reference.coverage, reference.zeros
    ),
    mixture("gmm"),
    mixture("gmm-v1", version="v1", units=3, compiled=False),
    mixture(
        "gmm-v0-exponential",
        version="v0",
        normalizer="exponential",
        weigh=reference.exponential,
        sums_to_one=False,
        compiled=False,
    ),
    weighed("temperature", partial(normalizers.Softmax, 0.5), reference.softmax_at(0.5)),
    weighed("sigmoid", normalizers.Sigmoid, reference.smoothing),
    weighed("hardmax", normalizers.Hardmax, reference.hardmax),
    weighed("sparsemax", normalizers.Sparsemax, reference.sparsemax),
    weighed("entmax15", normalizers.Entmax15, reference.entmax15),
    weighed("hard_sample", normalizers.HardSample, reference.hardmax, smooth=False),
    weighed(
        "score_function",
        partial(normalizers.HardSample, "score_function"),
        reference.hardmax,
        smooth=False,
    ),
    weighed("monotonic", normalizers.Monotonic, reference.monotonic(), **MONOTONIC),
    weighed(
        "monotonic-parallel",
        partial(normalizers.Monotonic, "parallel"),
        reference.monotonic(),
        **MONOTONIC,
    ),
    weighed(
        "monotonic-hard",
        partial(normalizers.Monotonic, "hard"),
        reference.monotonic(hard=True),
        **MONOTONIC,
    ),
    weighed("stepwise", normalizers.StepwiseMonotonic, reference.stepwise(), **STEPWISE),
    weighed(
        "stepwise-hard",
        partial(normalizers.StepwiseMonotonic, "hard"),
        reference.stepwise(hard=True),
        compiled=False,
        **STEPWISE,
    ),
    seen(lambda dtype: windows.LocalMonotonic(1, dtype=dtype), reference.local_m),
    seen(
        lambda dtype: windows.LocalPredictive(2, 3, dtype=dtype),
        reference.local_p,
        sums_to_one=False,
    ),
    Subject(
        "multi_head",
        lambda dtype: MultiHeadAttention(2, 3, value_dim=2, output_shape=6, dtype=dtype),
        reference.multi_head(reference.means(reference.scaled_dot)),
        "query",
        6,
    ),
    Subject(
        "multi_head-coverage",
        lambda dtype: MultiHeadAttention(
            2, 3, output_shape=6, score=scores.Coverage(dtype=dtype), dtype=dtype
        ),
        reference.multi_head(reference.means(reference.looking_back(reference.coverage))),
        "query",
        6,
    ),
    gated("additive", TANH),
    gated("coverage", reference.looking_back(reference.coverage), gate="vector"),
    Subject(
        "sentinel",
        lambda dtype: vision.SentinelAttention("additive", dtype=dtype),
        reference.attention(reference.means(TANH), reference.attend_with_sentinel),
        "query",
        QUERY_SIZE // 2,
        compiled=False,
        sums_to_one=False,
    ),
]


@keras.saving.register_keras_serializable(package="tests")
class LeakyCell(layers.Layer):
    """A cell as a user writes one: a layer with a state_size, and dropout of its own."""

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.dropout = units, dropout
        self.state_size = self.output_size = units
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.built = True

    def call(self, inputs, states, training=None):
        new = ops.tanh(ops.matmul(self.drop(inputs, training=training), self.kernel))
        output = 0.5 * states[0] + 0.5 * new
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


# Not the orthogonal default, whose decomposition TensorFlow lacks in bfloat16.
START = {"recurrent_initializer": "glorot_uniform"}
# The name of a cell: how to make it, its reference, the state that asks under "before".
CELLS = {
    "lstm": (lambda dtype: layers.LSTMCell(4, dtype=dtype, **START), reference.lstm, 0),
    "gru": (lambda dtype: layers.GRUCell(4, dtype=dtype, **START), reference.gru, 0),
    "simple": (
        lambda dtype: layers.SimpleRNNCell(4, dtype=dtype, **START),
        reference.simple_rnn,
        0,
    ),
    "stacked": (
        lambda dtype: layers.StackedRNNCells(
            [layers.LSTMCell(3, dtype=dtype, **START), layers.GRUCell(4, dtype=dtype, **START)],
            dtype=dtype,
        ),
        reference.stacked((reference.lstm, 2), (reference.gru, 1)),
        2,
    ),
    "user": (lambda dtype: LeakyCell(4, dropout=0.5, dtype=dtype), reference.leaky, 0),
    "sentinel": (
        lambda dtype: vision.SentinelCell(QUERY_SIZE, dtype=dtype, **START),
        reference.sentinel,
        0,
    ),
}
# The name of an attention: how to make it and its score, over values of QUERY_SIZE features.
ASKED = {
    "additive": (bahdanau(), reference.means(TANH)),
    "general": (luong(), reference.means(reference.general)),
    "cosine": (luong(score="cosine"), reference.means(reference.cosine)),
    "location": (
        of(scores.Location, filters=2, kernel_size=3),
        reference.means(reference.looking_back(reference.location), start=reference.uniform),
    ),
    "gmm": (of(scores.GaussianMixture), reference.means(reference.mixture("v2"))),
    "coverage": (
        of(scores.Coverage),
        reference.means(reference.looking_back(reference.coverage)),
    ),
    "monotonic": (
        luong(normalizer="monotonic"),
        reference.means(reference.general, reference.monotonic(), start=reference.first),
    ),
    "local_m": (
        luong(window=windows.LocalMonotonic(1)),
        reference.means(reference.general, window=reference.local_m),
    ),
    "gated": (
        lambda dtype: vision.GatedAttention("additive", dtype=dtype),
        reference.means(TANH, gate=reference.gated),
    ),
    "sentinel": (
        lambda dtype: vision.SentinelAttention("additive", dtype=dtype),
        reference.means(TANH),
    ),
}


def recurrent(
    cell, asked, attend, input_feeding, attention_layer, compiled=False, upper=(), **kwargs
):
    make_cell, step_cell, asks_with = CELLS[cell]
    make_attention, how = ASKED[asked]

    def make(dtype):
        return AttentionRNN(
            make_cell(dtype=dtype),
            make_attention(dtype=dtype),
            attend=attend,
            input_feeding=input_feeding,
            attention_layer=attention_layer,
            upper_cells=[CELLS[name][0](dtype=dtype) for name in upper],
            dtype=dtype,
            **kwargs,
        )

    fed = "fed" if input_feeding else "unfed"
    shape = "joined" if attention_layer is None else "layer"
    more = "".join(f"-{name}" for name in (*upper, *kwargs))
    name = f"rnn-{cell}-{asked}-{attend}-{fed}-{shape}{more}"
    climbs = [(CELLS[name][1], None) for name in upper]
    attends = reference.attend_with_sentinel if asked == "sentinel" else reference.attend
    computes = reference.attention_rnn(step_cell, how, asks_with, climbs, attends)
    mask = ENDING_MASK if asked in ("location", "gmm") else VALUE_MASK
    return Subject(name, make, computes, "sequence", QUERY_SIZE, compiled, mask)


RECURRENT = [
    # cell, attention, order, input feeding, attention layer
    recurrent("gru", "additive", "after", True, 5, compiled=True),
    recurrent("gru", "additive", "after", True, None),
    recurrent("gru", "additive", "after", False, 5, compiled=True),
    recurrent("gru", "additive", "after", False, None),
    recurrent("gru", "additive", "before", True, 5),
    recurrent("gru", "additive", "before", True, None),
    recurrent("gru", "additive", "before", False, 5),
    recurrent("gru", "additive", "before", False, None),
    recurrent("lstm", "general", "after", True, 5, compiled=True),
    recurrent("lstm", "general", "before", False, 5),
    recurrent("simple", "cosine", "after", True, 5),
    recurrent("simple", "cosine", "before", False, None, compiled=True),
    recurrent("stacked", "general", "after", True, 5),
    recurrent("stacked", "general", "before", False, 5, compiled=True),
    recurrent("user", "additive", "after", False, 5),
    recurrent("user", "additive", "before", True, 5, compiled=True),
    recurrent("gru", "location", "before", False, 5, compiled=True),
    recurrent("gru", "location", "after", True, 5),
    recurrent("gru", "gmm", "before", False, None),
    recurrent("lstm", "coverage", "after", True, 5, compiled=True),
    recurrent("gru", "coverage", "after", False, 5),
    recurrent("gru", "monotonic", "before", False, None),
    recurrent("gru", "monotonic", "after", False, 5, compiled=True),
    recurrent("gru", "local_m", "after", True, 5),
    recurrent("gru", "local_m", "after", False, 5),
    recurrent("lstm", "general", "after", True, 5, upper=["gru", "simple"], compiled=True),
    recurrent("gru", "additive", "before", False, 5, upper=["lstm"]),
    recurrent("gru", "additive", "after", False, None, upper=["lstm", "gru"]),
    recurrent("gru", "general", "after", True, 5, output_attention=False),
    recurrent("gru", "general", "after", False, None, output_attention=False),
    recurrent("lstm", "gated", "before", False, None, compiled=True),
    recurrent("sentinel", "sentinel", "after", False, None, compiled=True),
    Subject(
        "rnn-top_down",
        lambda dtype: vision.TopDownRNN(
            CELLS["gru"][0](dtype),
            ASKED["additive"][0](dtype),
            CELLS["lstm"][0](dtype),
            dtype=dtype,
        ),
        reference.top_down(reference.gru, ASKED["additive"][1], reference.lstm),
        "sequence",
        QUERY_SIZE,
        compiled=False,
    ),
]

VARIANTS = ATTENTIONS + RECURRENT
