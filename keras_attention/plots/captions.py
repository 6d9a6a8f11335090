"""A caption with its attention: a panel a word, the image lit where the model looked."""

import numpy as np

from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require
from keras_attention.plots import overlay
from keras_attention.plots.labels import drawable, fonts, label_of

_PANEL = 1.35  # inches, the longer side of an image
_BOX = "#ffd23f"
_BLUE = "#3b6cb4"


def plot_caption(
    image,
    words,
    maps,
    title=None,
    boxes=None,
    peaks=False,
    columns=None,
    vmax=None,
    smooth=0.75,
):
    """Draws an image, and beside it a panel a word that shows where the word looked.

    A panel has the colours of the image where the attention is, and is grey
    and dark elsewhere, as in figure 5 of Xu et al. (2015, "Show, Attend and
    Tell"). The cells of a map are spread by a Gaussian; a line surrounds what
    has more than half of the largest weight. Attention to everything alike
    shows as the whole image in its colours.

    Nothing of `matplotlib.pyplot` is used, and the words may be of any
    script: see `plot_attention`.

    Args:
        image: `(H, W, 3)` numbers from 0 to 255, as a model takes them, or
            `(H, W)` in grey.
        words: the T words, strings or UTF-8 bytes. Empty strings at the end,
            with which exported models pad, are left out.
        maps: `(T, h, w)`, an array or a tensor. Maps after those of the words,
            such as that of the step that decoded the end, are left out.
        title: what stands above.
        boxes: a box a word to draw into its panel, `(top, left, bottom,
            right)` in pixels of the image, or None for a word without one.
        peaks: whether a cross marks the cell of the largest weight.
        columns: panels in a row; by default at most 6, in rows of equal length.
        vmax: the weight that is wholly in colour, the same in every panel;
            None takes the largest of each map.
        smooth: the deviation of the Gaussian, in cells of the map; 0 draws the
            cells as they are.

    Returns:
        A `matplotlib.figure.Figure`, its size by the number of panels.

    Raises:
        ValueError: for an image or maps of another shape or of other numbers,
            fewer maps than words, no words, another number of boxes than of
            words, and settings out of their range.
        TypeError: for words that are not strings.
        ImportError: without the extra `plots`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.plots import plot_caption
    >>> image = np.full((96, 96, 3), 200, "uint8")
    >>> maps = np.random.default_rng(0).dirichlet(np.ones(144), 3).reshape(3, 12, 12)
    >>> figure = plot_caption(image, ["a", "red", "apple"], maps)
    >>> [axes.get_title() for axes in figure.axes]
    ['', 'a', 'red', 'apple']
    """
    colours, words = overlay.colours_of(image), overlay.checked_words(words)
    maps = overlay.checked_maps(maps, len(words))
    boxes = _checked_boxes(boxes, words)
    size = colours.shape[:2]
    brightness = overlay.light(maps, size, smooth, vmax)
    if columns is not None:
        check_positive("columns", columns)

    panels = len(words) + 1
    rows = -(-panels // (columns or 6))
    columns = min(columns or -(-panels // rows), panels)
    height, width = (_PANEL * n / max(size) for n in size)
    above, gap, margin = 0.24, 0.1, 0.08  # inches
    full_width = 2 * margin + columns * width + (columns - 1) * gap
    heading = 0.24 if title else 0.0
    full_height = heading + rows * (height + above) + (rows - 1) * 0.04 + margin
    figure = require("matplotlib.figure", "plots").Figure((full_width, full_height), dpi=120)
    require("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)
    if title:
        figure.text(
            *(0.5, 1 - 0.08 / full_height),
            drawable(title),
            **{"size": 10.5, "color": "0.1", "ha": "center", "va": "top"},
            parse_math=False,
            **fonts(title),
        )

    def add_panel(place, shown, word):
        row, column = divmod(place, columns)
        left = margin + column * (width + gap)
        top = heading + above + row * (height + above + 0.04)
        bounds = left / full_width, 1 - (top + height) / full_height
        axes = figure.add_axes([*bounds, width / full_width, height / full_height])
        # Edges of pixels are whole numbers, as in boxes.
        extent = (0, size[1], size[0], 0)
        axes.imshow(shown, extent=extent, interpolation="bilinear", aspect="auto")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(linewidth=0.5, color="0.6")
        label = label_of(word)
        axes.set_title(label, size=10, color="0.1", pad=3.5, parse_math=False, **fonts(label))
        return axes

    add_panel(0, colours, "")
    for i, word in enumerate(words):
        axes = add_panel(i + 1, overlay.lit(colours, brightness[i]), word)
        _surround(axes, brightness[i])
        if boxes[i] is not None:
            _draw_box(axes, boxes[i])
        if peaks and maps[i].any():
            y, x = overlay.peak(maps[i], size)
            for colour, weight in (("0.1", 3.2), ("white", 1.6)):
                axes.plot(x, y, "+", color=colour, ms=8, mew=weight, scalex=False, scaley=False)
    return figure


def _checked_boxes(boxes, words):
    if boxes is None:
        return [None] * len(words)
    boxes = list(boxes)
    if len(boxes) != len(words):
        raise ValueError(
            f"boxes: expected one, or None, for each of {len(words)} words, received {len(boxes)}."
        )
    for box in boxes:
        if box is not None and (len(box) != 4 or not (box[0] < box[2] and box[1] < box[3])):
            raise ValueError(
                f"boxes: expected (top, left, bottom, right) with an area, received {box!r}."
            )
    return boxes


def _surround(axes, brightness):
    half = brightness.max() / 2
    if not brightness.min() < half < brightness.max():
        return  # all alike: no line
    middles = [np.arange(n) + 0.5 for n in reversed(brightness.shape)]
    axes.contour(*middles, brightness, levels=[half], colors="white", linewidths=0.8, alpha=0.8)


def _draw_box(axes, box):
    patches = require("matplotlib.patches", "plots")
    top, left, bottom, right = box
    for colour, width in (("0.1", 2.6), (_BOX, 1.3)):
        axes.add_patch(
            patches.Rectangle(
                (left, top), right - left, bottom - top, fill=False, ec=colour, lw=width
            )
        )
