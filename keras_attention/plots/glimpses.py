"""The path of a glimpse network over an image, and what it saw on the way."""

import numpy as np

from keras_attention._core.optional import require
from keras_attention.plots.labels import drawable, fonts

_PANEL = 1.35  # inches, the longer side of what a glimpse shows
_IMAGE = 2.0  # likewise of the image
_BOX = "#2f9e44"
# From the first glimpse to the last.
_FIRST, _LAST = np.array([0.98, 0.72, 0.20]), np.array([0.76, 0.10, 0.34])


def plot_glimpses(image, places, retina, labels=None, box=None, title=None, cmap="gray_r"):
    """Draws the path of the glimpses over an image, and a panel a glimpse with what it saw.

    In the image a square surrounds what each glimpse saw sharply, that is at
    the first scale of the retina; a line joins them, from yellow to red, and
    numbers count them. A panel shows all scales of one glimpse over one
    another, the sharp one on top: as large as what the last scale covers, with
    everything that the network was given and no more. A grey line is where the
    image ends; beyond it the network is given zeros.

    Nothing of `matplotlib.pyplot` is used: see `plot_attention`.

    Args:
        image: `(H, W)`, `(H, W, 1)` or `(H, W, 3)`, as the network takes it.
        places: `(T, 2)`, row and column from -1 to 1, of this image.
        retina: the `keras_attention.vision.Retina` that looked.
        labels: T strings, what stands above each panel after its number, as
            `"7, 93 %"`, or None.
        box: `(top, left, bottom, right)` in pixels, drawn into the image, or
            None.
        title: what stands above the image.
        cmap: a matplotlib colormap or the name of one, for an image of one
            channel; by default 0 is white, as paper is.

    Returns:
        A `matplotlib.figure.Figure`, its size by the number of glimpses.

    Raises:
        ValueError: for an image or places of another shape or with numbers that
            are not finite, and another number of labels than of places.
        ImportError: without the extra `plots`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.plots import plot_glimpses
    >>> from keras_attention.vision import Retina
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> figure = plot_glimpses(image, [(0, 0), (0.5, -0.2)], Retina(8, 2), ["3", "7"])
    >>> [axes.get_title() for axes in figure.axes]
    ['', '1:  3', '2:  7']
    """
    image, places = _checked(image, places)
    if labels is not None and len(labels) != len(places):
        raise ValueError(
            f"labels: expected one for each of {len(places)} glimpses, received {len(labels)}."
        )
    height, width = image.shape[:2]
    patches = retina(np.broadcast_to(image, (len(places), *image.shape)), places)
    patches = _array(patches)
    # Edges of pixels are whole numbers, as in boxes.
    middles = (places + 1) / 2 * (height, width)
    mix = np.linspace(0.0, 1.0, len(places))[:, None]
    colours = (1 - mix) * _FIRST + mix * _LAST
    low, high = min(image.min(), 0.0), image.max()
    shown = {"cmap": cmap, "vmin": low, "vmax": high if high > low else low + 1.0}

    tall, wide = (_IMAGE * n / max(height, width) for n in (height, width))
    above, gap, margin = 0.26, 0.1, 0.08  # inches
    rows = -(-len(places) // 4)
    most = -(-len(places) // rows)
    side = _PANEL if rows == 1 else 0.5 * (_IMAGE - above)
    body = max(tall, rows * side + (rows - 1) * above)
    full_width = 2 * margin + wide + most * (side + gap)
    full_height = above + body + margin
    figure = require("matplotlib.figure", "plots").Figure((full_width, full_height), dpi=120)
    require("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)

    def add_panel(left, top, wide, tall, text):
        bounds = left / full_width, 1 - (top + tall) / full_height
        axes = figure.add_axes([*bounds, wide / full_width, tall / full_height])
        axes.set_xticks([])
        axes.set_yticks([])
        if text:
            text = drawable(text)
            axes.set_title(text, size=9, color="0.1", pad=3, parse_math=False, **fonts(text))
        return axes

    axes = add_panel(margin, above, wide, tall, title)
    _show(axes, image, (0, width, height, 0), shown)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    if box is not None:
        _draw_box(axes, box, _BOX, 1.4)
    _draw_path(axes, middles, colours, retina.size)
    for spine in axes.spines.values():
        spine.set(linewidth=0.5, color="0.6")

    for i, (middle, colour) in enumerate(zip(middles, colours)):
        row, column = divmod(i, most)
        left = margin + wide + gap + column * (side + gap)
        text = f"{i + 1}:  {labels[i]}" if labels is not None and labels[i] else f"{i + 1}"
        axes = add_panel(left, above + row * (side + above), side, side, text)
        for scale in reversed(range(retina.scales)):
            half = retina.size * retina.growth**scale / 2
            extent = (middle[1] - half, middle[1] + half, middle[0] + half, middle[0] - half)
            _show(axes, patches[i, scale], extent, shown)
        # The last one drawn, the finest, has set the limits.
        half = retina.size * max(1.0, retina.growth ** (retina.scales - 1)) / 2
        _draw_box(axes, (0, 0, height, width), "0.8", 0.8)
        axes.set_xlim(middle[1] - half, middle[1] + half)
        axes.set_ylim(middle[0] + half, middle[0] - half)
        for spine in axes.spines.values():
            spine.set(linewidth=1.6, color=colour)
    return figure


def _show(axes, pixels, extent, shown):
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    else:
        pixels = np.clip((pixels - shown["vmin"]) / (shown["vmax"] - shown["vmin"]), 0.0, 1.0)
    axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto", **shown)


def _draw_path(axes, middles, colours, side):
    for start, end, colour in zip(middles, middles[1:], colours[1:]):
        axes.plot(*zip(start[::-1], end[::-1]), color=colour, lw=1.2, alpha=0.9)
    effects = require("matplotlib.patheffects", "plots")
    for i, (middle, colour) in enumerate(zip(middles, colours)):
        half = side / 2
        box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
        _draw_box(axes, box, colour, 1.3)
        number = axes.text(
            middle[1], middle[0], str(i + 1), size=7.5, color=colour, ha="center", va="center"
        )
        number.set_clip_on(True)
        number.set_path_effects([effects.withStroke(linewidth=2, foreground="white")])


def _draw_box(axes, box, colour, line):
    patches = require("matplotlib.patches", "plots")
    top, left, bottom, right = box
    axes.add_patch(
        patches.Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, lw=line)
    )


def _checked(image, places):
    image, places = _array(image), _array(places)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or not image.size:
        raise ValueError(
            f"image: expected one image (H, W) or (H, W, 1 or 3), received shape {image.shape}."
        )
    if places.ndim != 2 or places.shape[-1] != 2 or not len(places):
        raise ValueError(
            "places: expected those of one image, a row and a column a glimpse, received shape "
            f"{places.shape}."
        )
    for name, numbers in (("image", image), ("places", places)):
        if not np.isfinite(numbers).all():
            raise ValueError(f"{name}: expected finite numbers, received others.")
    return image, places


def _array(numbers):
    if hasattr(numbers, "detach"):  # a tensor of torch that keeps its gradient
        numbers = numbers.detach().cpu()
    return np.asarray(numbers).astype("float32")
