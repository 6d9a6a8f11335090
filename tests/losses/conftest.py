import pytest

from tests.losses import loops


@pytest.fixture
def weights(rng):
    return loops.draw(rng)
