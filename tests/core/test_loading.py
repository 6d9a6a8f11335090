"""Reading `.keras` files: models come back, and errors say what is wrong with a file."""

import keras
import numpy as np
import pytest

from keras_attention import LuongAttention
from keras_attention._core.loading import load_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    query, value = keras.Input((2, 4)), keras.Input((3, 4))
    model = keras.Model([query, value], LuongAttention()(query, value))
    path = tmp_path_factory.mktemp("models") / "model.keras"
    model.save(path)
    return model, path


def test_a_model_comes_back(saved):
    model, path = saved
    inputs = [np.ones((1, 2, 4), "float32"), np.ones((1, 3, 4), "float32")]
    np.testing.assert_array_equal(load_model(path)(inputs), model(inputs))


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_file_that_was_not_written_in_full(saved, tmp_path, kept):
    content = saved[1].read_bytes()
    path = tmp_path / "half.keras"
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=r"half\.keras is damaged .* not written or copied in ful"):
        load_model(path)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.keras does not exist"):
        load_model(tmp_path / "missing.keras")
    with pytest.raises(ValueError, match=r"is no file: expected what model\.save"):
        load_model(tmp_path)


def test_a_model_that_brings_code(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    model.save(tmp_path / "unsafe.keras")
    with pytest.raises(ValueError, match=r"unsafe\.keras cannot be loaded as a Keras model"):
        load_model(tmp_path / "unsafe.keras")
