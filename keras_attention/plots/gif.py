"""Moving pictures from frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any


def gif_of(images: Sequence[Any], seconds: float, first: float) -> bytes:
    """A GIF that repeats.

    Args:
        images: Pillow images.
        seconds: the duration of each.
        first: that of the first, which programs without animation show, in
            durations of the others.
    """
    milliseconds = round(1000 * seconds)
    file = io.BytesIO()
    images[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[round(first * milliseconds)] + [milliseconds] * (len(images) - 1),
        loop=0,
    )
    return file.getvalue()
