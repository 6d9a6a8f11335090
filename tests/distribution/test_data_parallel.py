import socket

import keras
import pytest

from tests.distribution import spelling

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution is for JAX"
)


def test_two_processes_train_to_the_weights_of_one(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    worker = "tests.distribution.data_parallel"
    commands = [(worker, two, 2, index, port) for index in range(2)]
    spelling.run_together([*commands, (worker, one, 1, 0, 0)])
    spelling.assert_same(two, one)
