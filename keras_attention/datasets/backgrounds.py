"""Backgrounds of scenes: plain colors, gradients and textures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PATTERNS = 64


@functools.lru_cache(maxsize=4)
def patterns(size: int) -> list[NDArray[np.intp]]:
    """64 patterns `(size, size)` of numbers from 0 to 255, the share of the second color.

    A third of them are gradients, a third stripes, checks and dots, and a third
    smooth noise. They are the same for every scene.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    made: list[NDArray[np.intp]] = []
    for number in range(_PATTERNS):
        angle = rng.uniform(0, 2 * np.pi)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        period = rng.uniform(3, 12)
        pattern: NDArray[np.float64]
        if number % 3 == 0:
            pattern = u
        elif number % 3 == 1:
            waves = np.sin(2 * np.pi * period * u), np.sin(2 * np.pi * period * v)
            pattern = (waves[0], waves[0] * waves[1], waves[0] + waves[1])[number // 3 % 3]
        else:
            pattern = _clouds(size, int(rng.integers(3, 24)), rng)
        pattern = pattern - pattern.min()
        made.append(np.round(pattern / pattern.max() * 255).astype("intp"))
    return made


def _clouds(size: int, cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random numbers on a coarse grid, interpolated smoothly."""
    grid = rng.random((cells + 1, cells + 1))
    points = np.arange(size) / size * cells
    low = points.astype(int)
    share = points - low
    share = share * share * (3 - 2 * share)
    rows = grid[low] * (1 - share)[:, None] + grid[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share


_STEPS = np.linspace(0, 1, 256)[:, None]


def paint_background(size: int, draw: Callable[[], float]) -> NDArray[np.uint8]:
    """Paints a random background.

    The colors are light to medium, so that the black outlines of the pictures
    stay visible. One background in four is plain.

    Args:
        size: height and width in pixels.
        draw: returns the next random number in [0, 1).

    Returns:
        An image, uint8 `(size, size, 3)`.
    """
    first = np.array([110 + 145 * draw() for _ in range(3)])
    kind, strength = draw(), 0.2 + 0.8 * draw()
    other = np.array([110 + 145 * draw() for _ in range(3)])
    if kind < 0.25:
        return np.full((size, size, 3), first, "uint8")
    pattern = patterns(size)[int((kind - 0.25) / 0.75 * _PATTERNS)]
    colors = (first + (other - first) * strength * _STEPS).astype("uint8")
    image: NDArray[Any] = colors.take(pattern, axis=0)
    return image
