"""Features on the disk are computed again where a file of them was damaged."""

import keras
import numpy as np
import pytest

from keras_attention.datasets import CachedFeatures, Captioned, CaptionedImages
from tests.support.damage import DAMAGES

tf = pytest.importorskip("tensorflow")


class Encoder(keras.layers.Layer):
    """The image itself; notes how many images it was asked for."""

    asked = 0

    def call(self, images):
        self.asked += len(images)
        return images

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["features.npy", "features.json"])
def test_features_with_a_damaged_file_are_computed_again(tmp_path, file, damage):
    examples = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        path.write_bytes(tf.io.encode_png(np.full((4, 4, 3), 50 * number, "uint8")).numpy())
        examples.append(Captioned(str(path), ("a square",)))
    images, encoder = CaptionedImages(examples, (4, 4)), Encoder()
    encoder.build((None, 4, 4, 3))
    for expected in (3, 3):
        CachedFeatures(images, encoder, tmp_path / "features")
        assert encoder.asked == expected
    DAMAGES[damage](tmp_path / file)
    features = CachedFeatures(images, encoder, tmp_path / "features")
    assert encoder.asked == 6
    assert [float(features[i].features.max()) for i in range(3)] == [0, 50, 100]
