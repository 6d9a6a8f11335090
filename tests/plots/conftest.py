"""An image and attention maps for the plots of captions."""

import numpy as np
import pytest


@pytest.fixture
def image(rng):
    blocks = rng.integers(0, 256, (6, 8, 3)).astype("uint8")
    return np.kron(blocks, np.ones((8, 8, 1), "uint8"))


@pytest.fixture
def maps(rng):
    return rng.dirichlet(np.ones(48), 3).reshape(3, 6, 8)
