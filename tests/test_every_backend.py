"""What every backend must do: import without TensorFlow, train a step, decode.

That decoding gives the same ids as on TensorFlow from the same weights is shown by
`test_saved_models.py`, whose answers TensorFlow gave.
"""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_attention.generation import BeamSearch, Greedy, Sample
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import Captioner, EncoderDecoder, Transformer
from keras_attention.text import Vocabulary
from tests.support.tables import one_in

# What needs no TensorFlow; the others say so in their documentation.
PARTS = (
    "callbacks explain generation layers losses metrics models normalizers scores testing text "
    "tfa vision windows"
)
SOURCE = np.array([[5, 6, 7, 8], [9, 5, 0, 0], [7, 0, 0, 0]])
TARGET = np.array([[1, 6, 7, 5], [1, 8, 9, 0], [1, 4, 0, 0]])
LABELS = np.array([[6, 7, 5, 2], [8, 9, 2, 0], [4, 2, 0, 0]])


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="Keras itself needs it")
def test_every_part_that_needs_no_tensorflow_imports_without_it():
    code = f"""if True:
        import importlib, sys
        sys.modules["tensorflow"] = None
        for part in {PARTS.split()}:
            importlib.import_module(f"keras_attention.{{part}}")
    """
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def encoder_decoder():
    model = EncoderDecoder(10, 10, units=8, embedding_dim=8)
    return model, {"source": SOURCE, "target": TARGET}, {"source": SOURCE}


def transformer():
    model = Transformer(10, 10, units=8, num_heads=2, num_encoder_layers=1, num_decoder_layers=1)
    return model, {"source": SOURCE, "target": TARGET}, {"source": SOURCE}


def captioner():
    words = Vocabulary(["a", "red", "apple", "and", "pear", "pea"], separator=" ")
    model = Captioner(words, image_size=(16, 16), units=8, embedding_dim=8, word_detection=0.1)
    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
    return model, {"image": images, "target": TARGET}, {"image": images}


@pytest.mark.parametrize("made", one_in(2, [encoder_decoder, captioner, transformer]))
def test_training_lowers_the_loss(made):
    model, inputs, _ = made()
    # XLA compiles a Transformer for longer than six steps take.
    model.compile(keras.optimizers.Adam(0.02), SequenceCrossentropy(), jit_compile=False)
    first, *_, last = model.fit(inputs, LABELS, epochs=6, verbose=0, batch_size=3).history["loss"]
    assert last < 0.9 * first


@pytest.mark.parametrize("made", [encoder_decoder, captioner, transformer])
def test_a_search_of_one_hypothesis_is_greedy_however_it_is_written(made):
    model, _, source = made()
    for variable in model.trainable_variables:
        variable.assign(4 * variable)
    searches = (Greedy(max_length=4), Sample(max_length=4, top_k=1), BeamSearch(1, max_length=4))
    greedy, *others = (search(model, source) for search in searches)
    for other in others:
        for found, expected in zip(other, greedy, strict=True):
            found, expected = map(keras.ops.convert_to_numpy, (found, expected))
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_sampling_repeats_itself_with_a_seed_and_else_differs():
    model, _, source = encoder_decoder()
    once, again, other = (
        keras.ops.convert_to_numpy(Sample(max_length=6, seed=seed)(model, source).sequences)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(once, again)
    assert once.shape != other.shape or (once != other).any()
