"""Every planted fault is found where it is, and nothing is found in sound models."""

import keras
import numpy as np
import pytest

from keras_attention.datasets.cmudict import Entry
from keras_attention.datasets.pairs import Pair
from keras_attention.explain import Diagnosis, Finding, diagnose
from keras_attention.losses import SequenceCrossentropy
from keras_attention.recipes import captioning, g2p, glimpses, translation
from tests.explain import faults

BATCH = ({"source": faults.SOURCE, "target": faults.READ}, faults.LABELS)


def test_fifteen_faults_and_more_are_planted():
    assert len(faults.FAULTS) >= 15


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault):
    model, batch, what, where = fault()
    found = diagnose(model, batch).findings
    here = [one for one in found if one.what.startswith(what)]
    assert here, found
    assert any(where in one.where for one in here), here
    assert here[0].advice


@pytest.mark.parametrize("sound", [faults.classifier, faults.translator])
def test_nothing_is_found_in_a_sound_functional_model(sound):
    batch = faults.CLASSIFIED
    if sound is faults.translator:
        batch = ([faults.SOURCE, faults.READ], faults.LABELS)
    assert not diagnose(sound(), batch).findings


PAIRS = [Pair("abc def ghi", "abc def ghi"), Pair("jkl mno", "jkl mno")]
TRANSLATION = translation.Settings(units=8, embedding_dim=8, pieces=40)
TRANSLATORS = {
    "general": TRANSLATION,
    "additive": TRANSLATION._replace(attention="additive"),
    "none": TRANSLATION._replace(attention="none"),
    "transformer": TRANSLATION._replace(model="transformer", num_heads=2, num_encoder_layers=1),
}


@pytest.mark.parametrize("settings", TRANSLATORS.values(), ids=TRANSLATORS)
def test_nothing_is_found_in_the_models_of_translation(settings):
    model = translation.build(PAIRS, settings)
    model.compile("adam", SequenceCrossentropy())
    assert not diagnose(model, BATCH).findings


def test_nothing_is_found_in_the_model_of_spelling():
    entries = [Entry("abcdef", (tuple("ABCDEF"),))]
    model = g2p.build(entries, g2p.Settings(units=8, embedding_dim=8))
    model.compile("adam", SequenceCrossentropy())
    assert not diagnose(model, BATCH).findings


@pytest.mark.parametrize("attention", ["soft", "hard", "none"])
def test_nothing_is_found_in_the_models_of_captioning(attention, rng):
    settings = captioning.Settings(
        units=8, embedding_dim=8, attention_units=8, attention=attention, word_detection=0.1
    )
    model = captioning.build(list("abcdef"), (16, 16), settings)
    model.compile("adam", SequenceCrossentropy())
    images = rng.uniform(0, 255, (4, 16, 16, 3)).astype("float32")
    batch = ({"image": images, "target": faults.READ}, faults.LABELS)
    assert not diagnose(model, batch).findings


def test_nothing_is_found_in_the_glimpse_network(rng):
    model = glimpses.build(glimpses.Settings(units=8, steps=2))
    model.compile("adam")
    images = rng.uniform(size=(4, 20, 20, 1)).astype("float32")
    assert not diagnose(model, (images, np.array([0, 1, 2, 3]))).findings


def test_a_model_is_as_it_was_afterwards():
    model, batch, *_ = faults.states_that_know_everything()
    before = [np.array(weight) for weight in model.get_weights()]
    methods = {layer.path: dict(vars(layer)) for layer in model._flatten_layers()}
    diagnose(model, batch)
    for one, other in zip(before, model.get_weights()):
        np.testing.assert_array_equal(one, other)
    for layer in model._flatten_layers():
        assert vars(layer).get("call") is methods[layer.path].get("call")


def test_a_diagnosis_prints_and_is_a_page(tmp_path):
    finding = Finding("weight on <b>", "layer\x1b[31m", 0.25, "share", "Pass & mask.")
    diagnosis = Diagnosis("model <i>", (finding,), ("masks",))
    assert str(diagnosis).splitlines()[0] == "model <i>: 1 finding. Checked: masks."
    assert "\x1b" not in str(diagnosis)
    diagnosis.write(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "weight on &lt;b&gt;" in page
    assert "Pass &amp; mask." in page
    assert "<b>" not in page.replace("<body>", "")
    assert "<i>" not in page
    with pytest.raises(FileExistsError, match="path: expected a new file"):
        diagnosis.write(tmp_path / "page.html")


def test_a_batch_without_inputs_is_refused():
    with pytest.raises(ValueError, match="batch: expected the inputs of the model"):
        diagnose(keras.Sequential([keras.layers.Dense(1)]), [])
