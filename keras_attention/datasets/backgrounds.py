"""What scenes lie on: plain colours, gradients and textures, from few numbers."""

import functools

import numpy as np

_PATTERNS = 64


@functools.lru_cache(maxsize=4)
def patterns(size):
    """64 patterns of `size` by `size` pixels: which of 256 mixtures of two colours is where.

    A third are gradients in all directions, a third stripes, checks and dots,
    a third clouds of noise. They are the same for every scene.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    made = []
    for number in range(_PATTERNS):
        angle = rng.uniform(0, 2 * np.pi)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        period = rng.uniform(3, 12)
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


def _clouds(size, cells, rng):
    """Random numbers on a coarse grid, joined smoothly."""
    grid = rng.random((cells + 1, cells + 1))
    places = np.arange(size) / size * cells
    low = places.astype(int)
    share = places - low
    share = share * share * (3 - 2 * share)
    rows = grid[low] * (1 - share)[:, None] + grid[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share


_STEPS = np.linspace(0, 1, 256)[:, None]


def paint_background(size, draw):
    """A background of its own, uint8 `(size, size, 3)`.

    Colours are light to middling, so that the black outlines of the pictures
    stay visible. One in four is plain.

    Args:
        size: pixels a side.
        draw: a function that gives the next random number in [0, 1).

    Returns:
        The image.
    """
    first = np.array([110 + 145 * draw() for _ in range(3)])
    kind, strength = draw(), 0.2 + 0.8 * draw()
    other = np.array([110 + 145 * draw() for _ in range(3)])
    if kind < 0.25:
        return np.full((size, size, 3), first, "uint8")
    pattern = patterns(size)[int((kind - 0.25) / 0.75 * _PATTERNS)]
    colors = (first + (other - first) * strength * _STEPS).astype("uint8")
    return colors.take(pattern, axis=0)
