"""Logits that share their weights with an embedding."""

import keras
import numpy as np
import pytest

from keras_attention.layers import TiedLogits
from keras_attention.models import EncoderDecoder


@pytest.fixture
def embedding():
    embedding = keras.layers.Embedding(6, 4)
    embedding.build((None, None))
    return embedding


def test_logits_are_products_with_the_embeddings(embedding, rng):
    vectors = rng.normal(size=(2, 3, 4)).astype("float32")
    logits = TiedLogits(embedding)
    logits.build((None, None, 4))
    logits.bias.assign(np.arange(6.0))
    expected = vectors @ np.asarray(embedding.embeddings).T + np.arange(6.0)
    np.testing.assert_allclose(logits(vectors), expected, rtol=1e-5, atol=1e-6)
    assert len(logits.variables) == 1, "the embeddings belong to their own layer"


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_of_a_quantized_embedding_its_vectors_count(mode, embedding, rng):
    vectors = rng.normal(size=(2, 3, 4)).astype("float32")
    logits = TiedLogits(embedding)
    before = np.asarray(logits(vectors))
    embedding.quantize(mode)
    expected = vectors @ np.asarray(embedding(np.arange(6))).T
    np.testing.assert_allclose(logits(vectors), expected, rtol=1e-5, atol=1e-6)
    rounding = {"int8": 0.01, "int4": 0.15}[mode]
    np.testing.assert_allclose(logits(vectors), before, atol=rounding * np.abs(before).max())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*quantize.*:UserWarning")
def test_a_quantized_model_with_tied_logits_stays_within_rounding():
    model = EncoderDecoder(9, 11, embedding_dim=16, units=16, tied_logits=True)
    given = {"source": np.array([[3, 4, 5]]), "target": np.array([[1, 6, 7]])}
    before = np.asarray(model(given))
    model.quantize("int8")
    after = np.asarray(model(given))
    np.testing.assert_allclose(after, before, atol=0.05 * np.abs(before).max())


def test_something_else_than_an_embedding_is_refused():
    with pytest.raises(ValueError, match=r"embedding: expected a keras\.layers\.Embedding"):
        TiedLogits(np.zeros((6, 4)))
