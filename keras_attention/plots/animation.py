"""An animated caption: word after word with its attention."""

from __future__ import annotations

import base64
import html
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_attention._core.checks import check_choice, check_positive_number
from keras_attention._core.files import replacing
from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.plots import overlay
from keras_attention.plots.gif import gif_of
from keras_attention.plots.labels import drawable, extent, fonts

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

# Width of a GIF and of the space between its words, in inches.
_WIDTH, _SPACE = 3.4, 0.065
_SAID, _NOW, _TO_COME = "0.15", "#3b6cb4", "0.72"
_LONGER_SIDE = 480  # of the image in a page, in pixels
_CLOSING = ",.;:!?)»”、。،؟"  # no space before these


def animate_caption(
    image: Tensor,
    words: Sequence[str | bytes],
    maps: Tensor,
    path: str | os.PathLike[str],
    seconds: float = 0.8,
    vmax: float | None = None,
    smooth: float = 0.75,
) -> Path:
    """Writes an animation that shows the attention of one word after the other.

    The suffix of `path` decides the format:

    * `.gif`: frames of the image, with the caption up to the current word
      below. The first frame, which programs without animation show, is the
      image with the whole caption.
    * `.html`: a page in one self-contained file. It plays automatically;
      pointing at a word, or reaching it with the Tab key, shows its map.

    The file is written atomically.

    Args:
        image: as in `plot_caption`.
        words: as in `plot_caption`.
        maps: as in `plot_caption`.
        path: the file to write; an existing one is replaced.
        seconds: duration of each word.
        vmax: as in `plot_caption`.
        smooth: as in `plot_caption`.

    Returns:
        The path.

    Raises:
        ValueError: as `plot_caption`, if `seconds` is not above 0, or if the
            suffix is another.
        TypeError: if words are not strings.
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
    check_choice("suffix of path", path.suffix.lower(), (".gif", ".html"))
    check_positive_number("seconds", seconds)
    colors, tokens = overlay.colors_of(image), overlay.checked_words(words)
    maps = overlay.checked_maps(maps, len(tokens))
    brightness = overlay.brightness_of(maps, colors.shape[:2], smooth, vmax)
    write = _gif if path.suffix.lower() == ".gif" else _page
    contents = write(colors, tokens, brightness, seconds)
    with replacing(path) as unfinished:
        unfinished.write_bytes(contents)
    return path


def _gif(
    colors: overlay.Floats, words: list[str], brightness: overlay.Floats, seconds: float
) -> bytes:
    figure = require("matplotlib.figure", "plots").Figure(dpi=100)
    canvas = require("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)
    texts, lines = _write(figure, canvas, words)
    # Whole pixels, so that the image fills its frame.
    margin, line = 0.1, 0.24
    side = _WIDTH - 2 * margin
    height = side * colors.shape[0] / colors.shape[1]
    below = len(lines) * line + 0.06
    full_height = margin + height + margin + below
    figure.set_size_inches(_WIDTH, full_height)
    axes = figure.add_axes(
        [margin / _WIDTH, 1 - (margin + height) / full_height, side / _WIDTH, height / full_height]
    )
    axes.axis("off")
    shown = axes.imshow(colors, interpolation="bilinear", aspect="auto")
    for row, entries in enumerate(lines):
        for i, x in entries:
            y = 2 * margin + height + (row + 0.72) * line
            texts[i].set_position(((margin + x) / _WIDTH, 1 - y / full_height))

    def frame(picture: overlay.Floats, now: int) -> NDArray[np.uint8]:
        shown.set_data(picture)
        for i, text in enumerate(texts):
            text.set_color(_NOW if i == now else _SAID if i < now else _TO_COME)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    frames = [frame(colors, len(words))]
    frames += [frame(overlay.lit(colors, b), i) for i, b in enumerate(brightness)]
    return gif_of([_quantized(one) for one in frames], seconds, first=2)


def _quantized(frame: NDArray[np.uint8]) -> Any:
    """A Pillow image with 256 colors, always with those of the words, which are rare."""
    pillow = require("PIL.Image", "plots")
    to_rgb = require("matplotlib.colors", "plots").to_rgb
    given = [round(255 * part) for name in ("1", _SAID, _NOW, _TO_COME) for part in to_rgb(name)]
    free = 256 - len(given) // 3
    image = pillow.fromarray(frame)
    palette = pillow.new("P", (1, 1))
    # A quarter of the pixels gives the same palette in far less time.
    chosen = pillow.fromarray(frame[::2, ::2]).quantize(free).getpalette()
    palette.putpalette(given + chosen[: 3 * free])
    indices = np.array(image.quantize(palette=palette))
    indices[(frame == 255).all(axis=-1)] = 0  # Pillow finds colors only approximately
    image = pillow.fromarray(indices)
    image.putpalette(palette.getpalette())
    return image


def _write(
    figure: Figure, canvas: FigureCanvasAgg, words: list[str]
) -> tuple[list[Text], list[list[tuple[int, float]]]]:
    """The words as texts of the figure, and `(index, x in inches)` of each, line by line."""
    texts: list[Text] = []
    lines: list[list[tuple[int, float]]] = [[]]
    x = 0.0
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


def _page(
    colors: overlay.Floats, words: list[str], brightness: overlay.Floats, seconds: float
) -> bytes:
    height, width = (round(_LONGER_SIDE * n / max(colors.shape[:2])) for n in colors.shape[:2])
    spans = []
    for i, word in enumerate(words):
        space = "" if _closes(word) or not i else " "
        spans.append(f'{space}<span class="word" tabindex="0">{html.escape(word)}</span>')
    # The colors show where a mask is opaque.
    masks = (_png(np.stack([np.zeros_like(b), b], axis=-1)) for b in brightness)
    values = {
        "MASKS": ",\n    ".join(f'"{mask}"' for mask in masks),
        "IMAGE": _png(colors),
        "WIDTH": str(width),
        "RATIO": f"{width} / {height}",
        "DIM": str(overlay.DIM),
        "NOW": _NOW,
        "SECONDS": str(seconds),
        "TITLE": html.escape(" ".join(words)),
        "WORDS": "".join(spans),
    }
    return re.sub("@([A-Z]+)@", lambda name: values[name[1]], _PAGE).encode("utf-8")


def _closes(word: str) -> bool:
    return bool(word) and all(character in _CLOSING for character in word)


def _png(pixels: overlay.Floats) -> str:
    """A data URL of `(H, W, 3)` colors, or of `(H, W, 2)` gray and opacity."""
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
