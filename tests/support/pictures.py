"""Small image files."""

import io

import numpy as np
from PIL import Image


def encoded(mode="RGB", form="PNG", **options):
    """The bytes of a smooth image, 60 x 50 pixels."""
    small = np.random.default_rng(0).integers(0, 256, (4, 5, 3), "uint8")
    image = Image.fromarray(small).resize((60, 50), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


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
}


def images(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(FILES["jpeg"])
