"""What every test needs: a quiet TensorFlow, and the same numbers each time."""

import os

# Before the first import of TensorFlow, which prints a page otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session(free_memory=False)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def float64(monkeypatch):
    """Float64 that is float64: but on TensorFlow, Keras and JAX fall back to float32."""
    if keras.backend.backend() == "tensorflow":
        yield
        return
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    if keras.backend.backend() == "torch":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield
