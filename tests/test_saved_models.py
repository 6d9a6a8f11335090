"""Models saved before the library's second layout load and give the answers that they gave then.

`fixtures/saved/made_by.py.txt` made them, with the code of that time. They must not be made anew
when the library changes: that the files stay as they are is what the test is about.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention  # noqa: F401 (registers what the files name)
from keras_attention.generation import BeamSearch, Greedy
from tests.support.hypotheses import first_of
from tests.support.tables import one_in

SAVED = Path(__file__).parent / "fixtures" / "saved"
# An older Keras does not know all arguments of layers that a newer one saved.
pytestmark = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15),
    reason="the files are of Keras 3.15",
)
INDEX = json.loads((SAVED / "index.json").read_text("utf-8"))
# Processors with and without instructions for bfloat16 round at different places.
TOLERANCES = {"float32": 1e-5, "bfloat16": 4e-2}
DECODING = [name for name, entry in INDEX.items() if "decode" in entry]
ENCODING = [name for name, entry in INDEX.items() if "encode" in entry]
COMPILED = [name for name, entry in INDEX.items() if entry.get("compiled")]
WITH_LOSSES = [name for name, entry in INDEX.items() if entry.get("losses")]


def greedy_of(model, inputs):
    return numbers(first_of(Greedy(max_length=8)(model, inputs)).sequences)


def beams_of(model, inputs):
    found = BeamSearch(num_beams=3, max_length=8, length_penalty=0.6)(model, inputs)
    return numbers(found.sequences), numbers(found.scores)


def encode_of(model, vocabulary, text):
    return getattr(model, vocabulary).encode(text)


def loaded(name):
    with np.load(SAVED / f"{name}.npz") as arrays:
        return keras.saving.load_model(SAVED / f"{name}.keras"), dict(arrays)


def picked(structure, arrays):
    if isinstance(structure, dict):
        return {name: arrays[key] for name, key in structure.items()}
    if isinstance(structure, list):
        return [arrays[key] for key in structure]
    return arrays[structure]


def numbers(tensor):
    if "float" in keras.backend.standardize_dtype(tensor.dtype):
        tensor = keras.ops.cast(tensor, "float32")
    return keras.ops.convert_to_numpy(tensor)


def answers(name, model, arrays):
    entry = INDEX[name]
    found = model(picked(entry["inputs"], arrays), **entry.get("call", {}))
    names = entry["outputs"]
    if isinstance(names, dict):
        assert set(found) == set(names)
        return {names[part]: numbers(value) for part, value in found.items()}
    return {part: numbers(value) for part, value in zip(names, found, strict=True)}


def assert_close(name, found, expected, times=1):
    tolerance = times * TOLERANCES[INDEX[name].get("precision", "float32")]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_nothing_is_left_out():
    assert {path.stem for path in SAVED.glob("*.keras")} == set(INDEX)
    assert {path.stem for path in SAVED.glob("*.npz")} == set(INDEX)


@pytest.mark.parametrize("name", INDEX)
def test_output_is_as_saved(name):
    model, arrays = loaded(name)
    found = answers(name, model, arrays)
    for part, value in found.items():
        assert value.shape == arrays[part].shape, part
        assert_close(name, value, arrays[part])


@pytest.mark.parametrize("name", one_in(4, INDEX))
def test_output_is_as_saved_after_another_save(name, tmp_path):
    model, arrays = loaded(name)
    model.save(tmp_path / "again.keras")
    model = keras.saving.load_model(tmp_path / "again.keras")
    for part, value in answers(name, model, arrays).items():
        assert_close(name, value, arrays[part])


@pytest.mark.parametrize("name", DECODING)
def test_decoding_is_as_saved(name):
    if "precision" in INDEX[name] and keras.backend.backend() != "tensorflow":
        pytest.skip("half precision rounds differently on other backends")
    model, arrays = loaded(name)
    inputs = picked(INDEX[name]["decode"], arrays)
    np.testing.assert_array_equal(greedy_of(model, inputs), arrays["greedy_sequences"])
    sequences, scores = beams_of(model, inputs)
    np.testing.assert_array_equal(sequences, arrays["beam_sequences"])
    assert_close(name, scores, arrays["beam_scores"])


@pytest.mark.parametrize("name", ENCODING)
def test_vocabulary_is_as_saved(name):
    model, _ = loaded(name)
    for vocabulary, texts in INDEX[name]["encode"].items():
        for text, ids in texts.items():
            assert encode_of(model, vocabulary, text) == ids


@pytest.mark.parametrize("name", WITH_LOSSES)
def test_added_losses_are_as_saved(name):
    model, arrays = loaded(name)
    answers(name, model, arrays)
    found = [float(keras.ops.convert_to_numpy(loss)) for loss in model.losses]
    assert_close(name, found, arrays["added_losses"])


@pytest.mark.parametrize("name", COMPILED)
def test_training_goes_on_as_saved(name):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("on TensorFlow alone Adam updates only the embeddings that a batch has")
    model, arrays = loaded(name)
    inputs, labels = picked(INDEX[name]["inputs"], arrays), arrays["labels"]
    assert int(model.optimizer.iterations) == 3
    evaluated = model.evaluate(inputs, labels, verbose=0)
    assert_close(name, evaluated, arrays["evaluated"])
    model.train_on_batch(inputs, labels)
    assert_close(name, answers(name, model, arrays)["output"], arrays["output_after"], times=10)
