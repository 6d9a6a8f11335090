"""Image files as pixels."""

import importlib
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
from tests.support.exporting import SCRIPTS
from tests.support.pictures import FILES, encoded, sixteen_bits


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


@pytest.fixture
def scripts(monkeypatch):
    """Modules of the folder of scripts, which read files with Pillow."""
    monkeypatch.syspath_prepend(str(SCRIPTS / "serving"))
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_same_picture_to_every_reader(name, decode, scripts, tmp_path):
    pixels = decode(FILES[name]).numpy()
    assert pixels.dtype == np.uint8
    path = tmp_path / "picture"
    path.write_bytes(FILES[name])
    np.testing.assert_array_equal(read_image(path, (24, 32)), pixels)
    script = scripts("run_onnx").pixels(path, (24, 32))
    assert abs(pixels - script).max() <= 1


@pytest.mark.parametrize("value", [255, 160 * 256, 160 * 257, 65535])
def test_the_high_half_of_16_bits_is_kept(value, decode, scripts, tmp_path):
    path = tmp_path / "grey.png"
    path.write_bytes(sixteen_bits(1, value))
    assert np.unique(decode(path.read_bytes())).tolist() == [value // 256]
    assert np.unique(scripts("run_onnx").pixels(path, (24, 32))).tolist() == [value // 256]


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
    "animated gif": encoded(form="GIF", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "one row too many": png_that_claims(10_000, 5_001),
    "above Pillow's warning": png_that_claims(10_000, 9_001),
    "too large": png_that_claims(60_000, 60_000),
    "far too large": png_that_claims(2**32 - 1, 2**32 - 1),
    "empty": png_that_claims(0, 5),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name, decode, scripts, tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(BROKEN[name])
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[name])
    with pytest.raises(ValueError, match=r"path: expected a whole JPEG or PNG.*broken\.jpg"):
        read_image(path, (24, 32))
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read as a JPEG or PNG file: .*"):
        scripts("overlay").read(path)


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_a_file_is_measured_before_it_is_decoded(name, monkeypatch, scripts, tmp_path):
    (tmp_path / "picture").write_bytes(FILES[name])
    readers = (images_module, scripts("overlay"))
    assert images_module.MOST_PIXELS == scripts("overlay").MOST_PIXELS
    for module in readers:
        monkeypatch.setattr(module, "MOST_PIXELS", 60 * 50)
    decode_image(FILES[name], (24, 32))
    scripts("overlay").read(tmp_path / "picture")
    for module in readers:
        monkeypatch.setattr(module, "MOST_PIXELS", 60 * 50 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="1 to 2,999 pixels"):
        decode_image(FILES[name], (24, 32))
    with pytest.raises(ValueError, match="expected at most 2,999 pixels, received 60 x 50"):
        scripts("overlay").read(tmp_path / "picture")


def test_a_bad_size_is_refused():
    with pytest.raises(ValueError, match=r"size: expected \(height, width\), received 96"):
        decode_image(FILES["png"], 96)
    with pytest.raises(ValueError, match="size: expected a positive integer, received 0"):
        read_image("no such file", (0, 96))
