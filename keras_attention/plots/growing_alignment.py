"""An animated alignment: row after row, as a decoder writes its tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_attention._core.checks import check_choice, check_positive_number
from keras_attention._core.files import replacing
from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.plots.alignment import plot_attention
from keras_attention.plots.gif import gif_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def animate_attention(
    weights: Tensor,
    source_tokens: Sequence[str | bytes],
    target_tokens: Sequence[str | bytes],
    path: str | os.PathLike[str],
    seconds: float = 0.6,
    **options: Any,
) -> Path:
    """Writes a GIF of an alignment that grows by one row per target token.

    The first frame, which programs without animation show, is the whole
    alignment. The file is written atomically.

    Args:
        weights: as in `plot_attention`.
        source_tokens: as in `plot_attention`.
        target_tokens: as in `plot_attention`.
        path: the file to write, `.gif`; an existing one is replaced.
        seconds: duration of each row; of the whole alignment three times that.
        **options: of `plot_attention`, such as `title`.

    Returns:
        The path.

    Raises:
        ValueError: as `plot_attention`, if `seconds` is not above 0, or if the
            suffix is another.
        TypeError: if tokens are not strings.
        ImportError: without the extra `plots`.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from keras_attention.plots import animate_attention
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate_attention(np.eye(3), "cat", ["K", "AE", "T"], f"{folder}/cat.gif").name
    'cat.gif'
    """
    path = Path(path)
    check_choice("suffix of path", path.suffix.lower(), (".gif",))
    check_positive_number("seconds", seconds)
    figure = plot_attention(weights, source_tokens, target_tokens, **options)
    contents = gif_of(_frames(figure), seconds, first=3)
    with replacing(path) as unfinished:
        unfinished.write_bytes(contents)
    return path


def _frames(figure: Figure) -> list[Any]:
    """Pillow images: the whole alignment, then one per number of rows from the first."""
    pillow = require("PIL.Image", "plots")
    canvas = require("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)
    axes = figure.axes[0]
    (image,) = axes.get_images()
    whole = np.asarray(image.get_array())
    labels, values = axes.get_yticklabels(), axes.texts
    frames = []
    for rows in (len(whole), *range(1, len(whole))):
        image.set_data(np.where(np.arange(len(whole))[:, None] < rows, whole, 0.0))
        for row, label in enumerate(labels):
            label.set_visible(row < rows)
        for value in values:
            value.set_visible(value.get_position()[1] < rows)
        canvas.draw()
        frame = pillow.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        frames.append(frame.quantize(128, dither=0))
    return frames
