import pytest

from tests.losses import loops


@pytest.fixture
def weights(rng):
    return loops.random_weights(rng)
