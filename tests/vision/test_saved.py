"""Models with layers of this package that were saved before names changed."""

import pathlib

import keras
import numpy as np
import pytest

import keras_attention  # noqa: F401

SAVED = pathlib.Path(__file__).parents[1] / "fixtures" / "saved"


@pytest.mark.parametrize("name, inputs", [("glimpses", ["images"]), ("vision", ["maps", "words"])])
def test_it_loads_and_answers_the_same(name, inputs):
    model = keras.models.load_model(SAVED / f"{name}.keras")
    saved = np.load(SAVED / f"{name}.npz")
    given = [saved[key] for key in inputs]
    outputs = model(given[0] if len(given) == 1 else given)
    assert len(outputs) == len(saved.files) - len(inputs)
    for i, output in enumerate(outputs):
        np.testing.assert_allclose(output, saved[f"output_{i}"], rtol=1e-5, atol=1e-6)
