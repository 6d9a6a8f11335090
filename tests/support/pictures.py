"""Small image files."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


def encoded(mode="RGB", form="PNG", **options):
    """The bytes of a smooth image, 60 x 50 pixels."""
    small = np.random.default_rng(0).integers(0, 256, (4, 5, 3), "uint8")
    image = Image.fromarray(small).resize((60, 50), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def sixteen_bits(channels, value=None):
    """The bytes of a PNG file of 16 bits a channel, smooth or of one value."""
    ramp = np.linspace(0, 65535, 50 * 60 * channels).reshape(50, 60, channels)
    pixels = ramp if value is None else np.full_like(ramp, value)
    return tf.io.encode_png(pixels.astype("uint16")).numpy()


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES = {
    "jpeg": encoded(form="JPEG"),
    "progressive": encoded(form="JPEG", progressive=True),
    "grey jpeg": encoded("L", "JPEG"),
    "cmyk jpeg": encoded("CMYK", "JPEG"),
    "png": encoded(),
    "grey png": encoded("L"),
    "palette": encoded("P"),
    "opacity": encoded("RGBA"),
    "black and white": encoded("1"),
    "palette with opacity": encoded("P", transparency=3),
    "grey and opacity": encoded("LA"),
    "turned by EXIF": encoded(form="JPEG", exif=_turned()),
    "grey of 16 bits": sixteen_bits(1),
    "colors of 16 bits": sixteen_bits(3),
}


def images(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(FILES["jpeg"])
