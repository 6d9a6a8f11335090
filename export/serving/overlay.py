"""A caption as a picture: the image, and a panel a word, lit where the model looked.

Needs Pillow.

    draw(image, ["an", "apple"], [[[0.9, 0.1], [0.0, 0.0]], ...]).save("caption.png")
"""

import io
import math
import os
import warnings
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from printable import printable

# What is not looked at: without its colours, at this share of its brightness.
DIM = 0.45
# A small file can claim any size. Artifacts that read files have the same limit.
MOST_PIXELS = 50_000_000
_LONGER_SIDE = 200  # pixels of a panel
_COLUMNS = 6
_MOST_WORDS = 60  # of one picture
_LONGEST_LABEL = 24
_GAP = 8
_PAPER, _INK = "white", "black"


def read(path):
    """An image file as the models see it: no opacity, and not turned as EXIF would have it.

    Raises:
        ValueError: where it cannot be read as a JPEG or PNG file, or has more
            than `MOST_PIXELS`, which its header tells before it is decoded.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large files, of which the limit is above the one here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=("JPEG", "PNG"))
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(
                    f"expected at most {MOST_PIXELS:,} pixels, received {image.width:,} x "
                    f"{image.height:,}"
                )
            if image.mode.startswith("I"):
                # 16 bits, of which `convert` would cut off everything above 255.
                image = image.convert("I").point(lambda value: value * (1 / 256), "L")
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as a JPEG or PNG file: {error}") from error


def draw(image, words, maps, font=None):
    """The image beside a panel a word, in rows, of at most 60 words.

    Args:
        image: a `PIL.Image.Image`.
        words: strings.
        maps: a map `(h, w)` a word, nested lists or arrays, of the whole image.
        font: a TrueType file that has the letters of the words; by default
            Pillow's own, which has those of western languages.

    Returns:
        A `PIL.Image.Image`.
    """
    face = ImageFont.truetype(font, 16) if font else ImageFont.load_default(16)
    image = image.convert("RGB")
    scale = _LONGER_SIDE / max(image.size)
    image = image.resize([max(1, round(side * scale)) for side in image.size], Image.BICUBIC)
    drawn = list(zip(words, maps))[:_MOST_WORDS]
    panels = [("", image), *((word, lit(image, one)) for word, one in drawn)]
    labels = [_drawable(word) for word, _ in panels]
    boxes = [face.getbbox(label) for label in labels]
    width = max(image.width, *(right for _, _, right, _ in boxes)) + _GAP
    label_height = max(bottom for *_, bottom in boxes) + _GAP
    height = image.height + label_height + _GAP
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, (label, box, (_, panel)) in enumerate(zip(labels, boxes, panels)):
        left, top = _GAP + i % columns * width, _GAP + i // columns * height
        middle = left + (width - _GAP) // 2
        pen.text((middle - box[2] // 2, top), label, _INK, font=face)
        sheet.paste(panel, (middle - panel.width // 2, top + label_height))
    return sheet


def lit(image, weights):
    """The image in its colours where the weights are highest, grey and dark where they are 0."""
    rows = [[_weight(weight) for weight in row] for row in weights]
    highest = max(map(max, rows)) or 1.0
    mask = Image.new("F", (len(rows[0]), len(rows)))
    mask.putdata([255 * weight / highest for row in rows for weight in row])
    mask = mask.resize(image.size, Image.BICUBIC)
    dark = ImageOps.grayscale(image).point(lambda value: DIM * value).convert("RGB")
    # Bicubic curves may overshoot a little.
    return Image.composite(image, dark, mask.point(lambda value: value * 1 + 0.5).convert("L"))


def save(picture, path):
    """Writes a picture whole or not at all."""
    path = Path(path)
    content = io.BytesIO()
    picture.save(content, "PNG")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content.getvalue())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _drawable(word):
    shown = printable(word[:_LONGEST_LABEL])
    return shown if len(word) < _LONGEST_LABEL else shown + "…"


def _weight(value):
    """A weight that can be drawn: what is no finite number above 0 is 0."""
    return float(value) if 0 < value < math.inf else 0.0
