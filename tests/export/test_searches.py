"""Artifacts decode by any search with settings, not by beam search alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.export import export_model
from keras_attention.export.signatures import beam_settings
from keras_attention.generation import (
    BeamSearch,
    ConstrainedBeamSearch,
    ContrastiveSearch,
    DiverseBeamSearch,
    Greedy,
    Sample,
)
from keras_attention.models import EncoderDecoder

SEARCHES = [
    DiverseBeamSearch(num_beams=4, num_groups=2, max_length=4),
    ConstrainedBeamSearch(num_beams=2, max_length=4, phrases=((7, 8),)),
    ContrastiveSearch(max_length=4, top_k=3),
]


def model_of(search=None):
    keras.utils.set_random_seed(3)
    model = EncoderDecoder(12, 10, units=6, embedding_dim=4)
    for weight in model.trainable_weights:
        weight.assign(2.5 * weight)
    if search is not None:
        model.compile(search=search)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_the_artifact_finds_what_the_search_finds(search, tmp_path):
    model = model_of()
    export_model(model, tmp_path / "artifact", search=search)
    source = np.array([[5, 6, 7], [4, 3, 0]], "int32")
    [written] = (tmp_path / "artifact").rglob("saved_model.pb")
    loaded = tf.saved_model.load(str(written.parent))
    found = loaded.signatures["beam"](tokens=tf.constant(source))
    expected = search(model, source)
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)


def test_the_search_of_compile_is_exported():
    for search in SEARCHES:
        assert beam_settings(None, model_of(search)) is search
    assert beam_settings(None, model_of(Greedy(max_length=9))) == BeamSearch(max_length=9)
    assert beam_settings(None, model_of(Sample(max_length=9))) == BeamSearch()


@pytest.mark.parametrize("search", [Sample(), lambda decoder, inputs, prefix=None: None, 3])
def test_what_cannot_be_verified(search):
    with pytest.raises(ValueError, match="search: expected"):
        beam_settings(search)
