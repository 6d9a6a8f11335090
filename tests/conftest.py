"""What every test needs: a quiet TensorFlow, and the same numbers each time."""

import itertools
import os

# Before the first import of TensorFlow, which prints a page otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker has one core: more threads only wait for each other.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import keras
import numpy as np
import pytest

from keras_attention._core.backend.precision import real_float64


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session(free_memory=False)


@pytest.fixture(scope="module")
def deterministic():
    """TensorFlow whose threads add in the same order every time, for equal bits."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import config

    # Random operations need a seed then.
    keras.utils.set_random_seed(0)
    config.enable_op_determinism()
    yield
    # The public module has no function for it.
    config.disable_op_determinism()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def arrays_of_tensors(monkeypatch):
    """Torch makes no array of a tensor that has a gradient; the others do."""
    if keras.backend.backend() == "torch":
        import torch

        of_torch = torch.Tensor.__array__

        def to_array(tensor, dtype=None, copy=None):
            return of_torch(tensor.detach(), dtype)

        monkeypatch.setattr(torch.Tensor, "__array__", to_array)


TESTS = itertools.count(1)


@pytest.fixture(autouse=True)
def programs_do_not_pile_up():
    """JAX keeps all that it compiled, until Linux grants no more memory maps and it crashes."""
    yield
    if keras.backend.backend() == "jax" and next(TESTS) % 50 == 0:
        import jax

        jax.clear_caches()


@pytest.fixture
def float64():
    """Float64 that is float64: but on TensorFlow, Keras and JAX fall back to float32."""
    with real_float64():
        yield
