"""Image files as pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_attention.datasets import images as images_module
from keras_attention.datasets import (
    read_image,
)
from keras_attention.datasets.images import decode_image
from tests.support.pictures import FILES, encoded


def png_that_claims(width, height):
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(50))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(scope="module")
def decode():
    """`decode_image` in a graph, as in a served model."""
    spec = [tf.TensorSpec((), tf.string)]
    return tf.function(lambda contents: decode_image(contents, (24, 32)), input_signature=spec)


@pytest.mark.parametrize("name", FILES)
def test_files_are_decoded_as_pillow_does(name, decode):
    pixels = decode(FILES[name]).numpy()
    image = Image.open(io.BytesIO(FILES[name])).convert("RGB")
    expected = np.asarray(image.resize((32, 24), Image.Resampling.BILINEAR)).astype(int)
    assert pixels.dtype == np.uint8
    assert abs(pixels - expected).max() <= 1
    np.testing.assert_array_equal(decode_image(FILES[name], (24, 32)), pixels)


def test_a_picture_of_the_right_size_is_not_changed():
    exact = np.asarray(Image.open(io.BytesIO(FILES["png"])))
    np.testing.assert_array_equal(decode_image(FILES["png"], (50, 60)), exact)


BROKEN = {
    "nothing": b"",
    "text": b"hello",
    "binary": bytes(range(240, 256)),
    "gif": encoded(form="GIF"),
    "cut jpeg": FILES["jpeg"][:400],
    "cut png": FILES["png"][:400],
    "no header": FILES["png"][:10],
    "too large": png_that_claims(60_000, 60_000),
    "far too large": png_that_claims(2**32 - 1, 2**32 - 1),
    "empty": png_that_claims(0, 5),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name, decode, tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(BROKEN[name])
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[name])
    with pytest.raises(ValueError, match=r"path: expected a whole JPEG or PNG.*broken\.jpg"):
        read_image(path, (24, 32))


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_a_file_is_measured_before_it_is_decoded(name, monkeypatch):
    monkeypatch.setattr(images_module, "_MOST_PIXELS", 60 * 50)
    decode_image(FILES[name], (24, 32))
    monkeypatch.setattr(images_module, "_MOST_PIXELS", 60 * 50 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="1 to 2999 pixels"):
        decode_image(FILES[name], (24, 32))


def test_a_bad_size_is_refused():
    with pytest.raises(ValueError, match=r"size: expected \(height, width\), received 96"):
        decode_image(FILES["png"], 96)
    with pytest.raises(ValueError, match="size: expected a positive integer, received 0"):
        read_image("no such file", (0, 96))
