"""Models that are cut decode inside a compiled graph, and in half precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_attention.generation import BeamSearch

from .models import MODELS, ON_PREFIX
from .stepping import check, decoder_of, example

pytestmark = pytest.mark.filterwarnings("ignore:Layer 'inner'.*was passed an input with a mask")

# The others are left to `make test-slow`.
QUICK = {"attention_rnn", "self_attention_of_keras"}
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]


def stepwise(name):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    decoder = decoder_of(model)
    wanted = ON_PREFIX.get(name, ())
    return decoder_of(model, [one for one in decoder.rules if any(w in one for w in wanted)])


@pytest.mark.parametrize("name", NAMES)
def test_beam_search_in_a_graph_of_unknown_sizes(name):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("graphs of TensorFlow")
    decoder = stepwise(name)
    inputs = example(decoder.model, decoder.ports)
    search = BeamSearch(num_beams=3, max_length=4)

    def ids(x):
        return x.dtype == np.int32 and name != "fixed_lengths"

    signature = {
        key: tf.TensorSpec((None, None) if ids(x) else (None, *x.shape[1:]), x.dtype)
        for key, x in inputs.items()
    }
    compiled = tf.function(lambda inputs: search(decoder, inputs), input_signature=[signature])
    got, want = compiled(inputs), search(decoder, inputs)
    np.testing.assert_array_equal(got.sequences, want.sequences)
    np.testing.assert_allclose(got.scores, want.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.attention, want.attention, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        decoder = stepwise(name)
        for beams in (1, 3):
            check(decoder.model, decoder, beams, tolerance=2e-2)
    finally:
        keras.config.set_dtype_policy(before)
