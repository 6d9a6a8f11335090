import keras
import pytest

from tests.distribution import spelling

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's own"
)


@pytest.mark.slow
def test_two_replicas_train_to_the_weights_of_one_device_and_report_its_losses(tmp_path):
    # Processes of their own: the number of devices is fixed when TensorFlow starts.
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    worker = "tests.distribution.mirrored"
    spelling.run_together([(worker, one, 1), (worker, two, 2)])
    spelling.assert_same(two, one)
