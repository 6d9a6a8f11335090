"""A caption that is spoken word by word, each showing where the model looked."""

import base64
import html
import io
import os
import re
from pathlib import Path

import numpy as np

from keras_attention._core.checks import check_choice, check_positive_number
from keras_attention._core.optional import require
from keras_attention.plots import overlay
from keras_attention.plots.labels import drawable, extent, fonts

# Inches of a frame of a GIF, and between its words.
_WIDTH, _SPACE = 3.4, 0.065
_SAID, _NOW, _TO_COME = "0.15", "#3b6cb4", "0.72"
_LONGER_SIDE = 480  # pixels of the image in a page
_CLOSING = ",.;:!?)»”、。،؟"  # stand close to the word before


def animate_caption(image, words, maps, path, seconds=0.8, vmax=None, smooth=0.75):
    """Writes an animation: word after word, the image is lit where the word looked.

    The ending of `path` says what is written:

    * `.gif`: frames of the image with the caption below, as far as it is
      said. The first frame, which stands where nothing moves, is the image
      with the whole caption.
    * `.html`: one page, in one file without anything to fetch. It plays by
      itself; pointing at a word, or reaching it by the Tab key, shows its map.

    The file is written whole or not at all.

    Args:
        image, words, maps, vmax, smooth: as of `plot_caption`.
        path: the file to write, replaced where it exists.
        seconds: how long each word is shown.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        ValueError: as `plot_caption`, for `seconds` not above 0, and for
            another ending.
        TypeError: for words that are not strings.
        ImportError: without the extra `plots`.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from keras_attention.plots import animate_caption
    >>> image, maps = np.full((96, 96, 3), 200, "uint8"), np.full((2, 12, 12), 1 / 144)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate_caption(image, ["red", "apple"], maps, f"{folder}/apple.gif").name
    'apple.gif'
    """
    path = Path(path)
    check_choice("the ending of path", path.suffix.lower(), (".gif", ".html"))
    check_positive_number("seconds", seconds)
    colours, words = overlay.colours_of(image), overlay.checked_words(words)
    maps = overlay.checked_maps(maps, len(words))
    brightness = overlay.light(maps, colours.shape[:2], smooth, vmax)
    write = _gif if path.suffix.lower() == ".gif" else _page
    contents = write(colours, words, brightness, seconds)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(contents)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _gif(colours, words, brightness, seconds):
    figure = require("matplotlib.figure", "plots").Figure(dpi=100)
    canvas = require("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)
    texts, lines = _write(figure, canvas, words)
    # Whole pixels, so that the picture fills its frame.
    margin, line = 0.1, 0.24
    side = _WIDTH - 2 * margin
    height = side * colours.shape[0] / colours.shape[1]
    below = len(lines) * line + 0.06
    full_height = margin + height + margin + below
    figure.set_size_inches(_WIDTH, full_height)
    axes = figure.add_axes(
        [margin / _WIDTH, 1 - (margin + height) / full_height, side / _WIDTH, height / full_height]
    )
    axes.axis("off")
    shown = axes.imshow(colours, interpolation="bilinear", aspect="auto")
    for row, entries in enumerate(lines):
        for i, x in entries:
            y = 2 * margin + height + (row + 0.72) * line
            texts[i].set_position(((margin + x) / _WIDTH, 1 - y / full_height))

    def frame(picture, now):
        shown.set_data(picture)
        for i, text in enumerate(texts):
            text.set_color(_NOW if i == now else _SAID if i < now else _TO_COME)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    frames = [frame(colours, len(words))]
    frames += [frame(overlay.lit(colours, b), i) for i, b in enumerate(brightness)]
    frames = [_few_colours(one) for one in frames]
    file = io.BytesIO()
    milliseconds = round(1000 * seconds)
    frames[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[2 * milliseconds] + [milliseconds] * len(words),
        loop=0,
    )
    return file.getvalue()


def _few_colours(frame):
    """A frame of 256 colours; those of the words are too rare to be chosen, so they are given."""
    pillow = require("PIL.Image", "plots")
    to_rgb = require("matplotlib.colors", "plots").to_rgb
    given = [round(255 * part) for name in ("1", _SAID, _NOW, _TO_COME) for part in to_rgb(name)]
    free = 256 - len(given) // 3
    image = pillow.fromarray(frame)
    palette = pillow.new("P", (1, 1))
    # A quarter of the pixels tells the colours as well, in far less time.
    chosen = pillow.fromarray(frame[::2, ::2]).quantize(free).getpalette()
    palette.putpalette(given + chosen[: 3 * free])
    indices = np.array(image.quantize(palette=palette))
    indices[(frame == 255).all(axis=-1)] = 0  # Pillow looks for about the colour only
    image = pillow.fromarray(indices)
    image.putpalette(palette.getpalette())
    return image


def _write(figure, canvas, words):
    """The words as texts of the figure, and `(index, x in inches)` of each, line by line."""
    texts, lines, x = [], [[]], 0.0
    for i, word in enumerate(words):
        text = figure.text(0, 0, drawable(word), size=11, parse_math=False, **fonts(word))
        width, _ = extent(text, canvas)
        if lines[-1]:
            x += 0.0 if _closes(word) else _SPACE
            if x + width > _WIDTH - 0.2 and not _closes(word):
                lines.append([])
                x = 0.0
        lines[-1].append((i, x))
        texts.append(text)
        x += width
    return texts, lines


def _page(colours, words, brightness, seconds):
    height, width = (round(_LONGER_SIDE * n / max(colours.shape[:2])) for n in colours.shape[:2])
    spans = []
    for i, word in enumerate(words):
        space = "" if _closes(word) or not i else " "
        spans.append(f'{space}<span class="word" tabindex="0">{html.escape(word)}</span>')
    # A mask lets the colours through where it is opaque.
    masks = (_png(np.stack([np.zeros_like(b), b], axis=-1)) for b in brightness)
    values = {
        "MASKS": ",\n    ".join(f'"{mask}"' for mask in masks),
        "IMAGE": _png(colours),
        "WIDTH": str(width),
        "RATIO": f"{width} / {height}",
        "DIM": str(overlay.DIM),
        "NOW": _NOW,
        "SECONDS": str(seconds),
        "TITLE": html.escape(" ".join(words)),
        "WORDS": "".join(spans),
    }
    return re.sub("@([A-Z]+)@", lambda name: values[name[1]], _PAGE).encode("utf-8")


def _closes(word):
    return bool(word) and all(character in _CLOSING for character in word)


def _png(pixels):
    """A data URL of `(H, W, 3)` colours, or of `(H, W, 2)` grey and opacity."""
    file = io.BytesIO()
    image = require("PIL.Image", "plots").fromarray(np.round(255 * pixels).astype("uint8"))
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


_PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
  body { margin: 1.5rem auto; max-width: @WIDTH@px; padding: 0 1rem; color: #222;
         font: 1.25rem/1.6 "DejaVu Sans", "Noto Sans", sans-serif; background: #fff; }
  .image { position: relative; aspect-ratio: @RATIO@; }
  .image div { position: absolute; inset: 0; background: url(@IMAGE@) 0 0 / 100% 100%;
               -webkit-mask-size: 100% 100%; mask-size: 100% 100%; }
  .image.lit div:first-child { filter: grayscale(1) brightness(@DIM@); }
  .word { cursor: default; border-radius: 0.2em; }
  .said .word { color: #b8b8b8; }
  .said .word.before { color: inherit; }
  .said .word.now, .word:focus { color: @NOW@; outline: none; text-decoration: underline; }
</style>
</head>
<body>
<div class="image" role="img" aria-label="@TITLE@"><div></div><div></div></div>
<p>@WORDS@</p>
<script>
  const masks = [
    @MASKS@
  ];
  const image = document.querySelector(".image"), caption = document.querySelector("p");
  const words = [...document.querySelectorAll(".word")];
  let now = -1, held = false;
  function show(i) {
    now = i;
    const mask = i < 0 ? "none" : `url(${masks[i]})`;
    image.lastElementChild.style.webkitMaskImage = mask;
    image.lastElementChild.style.maskImage = mask;
    image.classList.toggle("lit", i >= 0);
    caption.classList.toggle("said", i >= 0);
    words.forEach((word, k) => {
      word.classList.toggle("before", k < i);
      word.classList.toggle("now", k === i);
    });
  }
  words.forEach((word, i) => {
    for (const begin of ["mouseenter", "focus"])
      word.addEventListener(begin, () => { held = true; show(i); });
    for (const end of ["mouseleave", "blur"])
      word.addEventListener(end, () => { held = false; });
  });
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches)
    setInterval(() => {
      if (!held) show(now + 1 < words.length ? now + 1 : -1);
    }, 1000 * @SECONDS@);
</script>
</body>
</html>
"""
