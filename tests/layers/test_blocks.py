"""The block of a Transformer."""

import keras
import numpy as np
import pytest

from keras_attention.layers import TransformerBlock


def test_masked_equals_sliced(rng):
    sequence = rng.normal(size=(2, 5, 8)).astype("float32")
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0]], bool)
    block = TransformerBlock(8, num_heads=2)
    found = block(sequence, mask=mask)
    np.testing.assert_allclose(found[:, :3], block(sequence[:, :3]), rtol=1e-4, atol=1e-5)


def test_the_config_gives_an_equal_block(rng):
    block = TransformerBlock(8, num_heads=2, dropout=0.1)
    again = TransformerBlock.from_config(block.get_config())
    assert (again.units, again.num_heads, again.dropout) == (8, 2, 0.1)
    old = block.get_config()
    old["heads"] = old.pop("num_heads")
    assert TransformerBlock.from_config(old).num_heads == 2


def test_the_shape_and_the_mask_in_the_functional_api():
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(9, 8, mask_zero=True)(ids)
    outputs = TransformerBlock(8, num_heads=2)(embedded)
    assert outputs.shape == (None, None, 8)
    assert keras.src.backend.get_keras_mask(outputs) is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units: expected a positive integer, received 0"),
        ({"units": 8, "num_heads": 0}, "num_heads: expected a positive integer, received 0"),
        ({"units": 8, "num_heads": 3}, "units: expected a multiple of num_heads=3, received 8"),
        ({"units": 8, "dropout": 1}, "dropout: expected a number from 0 to below 1, received 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerBlock(**arguments)
