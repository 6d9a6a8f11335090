"""The search that a model remembers."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from keras_attention.generation import (
    BannedTokens,
    BeamSearch,
    GNMTLength,
    Greedy,
    NoRepeatedNgrams,
    Sample,
)
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder
from tests.support.hypotheses import first_of
from tests.support.tables import one_in

SOURCE = np.array([[5, 6, 7], [9, 4, 0]])
TARGET, LABELS = np.array([[1, 4, 5], [1, 4, 0]]), np.array([[4, 5, 2], [4, 2, 0]])
SEARCHES = [
    Greedy(3, constraints=(BannedTokens((5,)),)),
    Sample(max_length=3, top_k=2, seed=4),
    BeamSearch(2, max_length=3, penalties=(GNMTLength(0.5),), constraints=(NoRepeatedNgrams(2),)),
]


def translator():
    return EncoderDecoder(12, 6, embedding_dim=4, units=6)


def texts(found):
    return [one.text for one in found]


def test_without_a_search_it_is_greedy():
    model = translator()
    assert model.search == Greedy()
    assert texts(model.generate(SOURCE)) == texts(model.generate(SOURCE, Greedy()))


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
@pytest.mark.parametrize("trained", one_in(2, [True, False]))
def test_the_search_of_compile_is_that_of_generate_also_after_loading(search, trained, tmp_path):
    model = translator()
    if trained:
        model.compile("adam", SequenceCrossentropy(), search=search, run_eagerly=True)
        model.train_on_batch({"source": SOURCE, "target": TARGET}, LABELS)
    else:
        model.compile(search=search)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, loaded):
        assert one.search == search
        assert len(one.generate(SOURCE, n_best=1)[0][0].tokens) <= 3
        # A search of the call comes first.
        assert len(one.generate(SOURCE, Greedy(max_length=1))[0].tokens) <= 1
    assert texts(loaded.generate(SOURCE)) == texts(model.generate(SOURCE))
    assert bool(loaded.compiled) == trained
    if trained:
        np.testing.assert_allclose(loaded.optimizer.variables[2], model.optimizer.variables[2])
        assert np.any(loaded.optimizer.variables[2])


def test_a_search_alone_leaves_the_optimizer_and_a_compile_without_one_the_search():
    model = translator()
    model.compile("adam", SequenceCrossentropy(), metrics=["accuracy"])
    optimizer = model.optimizer
    model.compile(search=Greedy(max_length=2))
    assert model.optimizer is optimizer
    model.compile("sgd", SequenceCrossentropy())
    assert model.search == Greedy(max_length=2)


def test_what_is_no_search_is_refused():
    for wrong in ("greedy", Greedy, 4):
        with pytest.raises(ValueError, match=r"search: expected Greedy\(\), Sample\(\)"):
            translator().compile(search=wrong)


def test_a_search_that_cannot_be_saved_is_warned_of(tmp_path):
    def shortest(decoder, inputs, prefix=None):
        return Greedy(max_length=1)(decoder, inputs, prefix)

    model = translator()
    model.compile(search=shortest)
    assert len(model.generate(SOURCE)[0].tokens) <= 1
    with pytest.warns(UserWarning, match="search: expected one with settings that can be saved"):
        model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").search == Greedy()


@keras.saving.register_keras_serializable(package="tests_generating")
@dataclass(frozen=True)
class Odd(NoRepeatedNgrams):
    """A constraint of a user."""


def test_constraints_of_a_user_are_saved(tmp_path):
    model, search = translator(), Greedy(max_length=4, constraints=(Odd(1),))
    model.compile(search=search)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").search == search
    found = first_of(search(model, SOURCE)).sequences
    assert np.array(found).shape[0] == 2
