"""A map of attention laid over the image that it looks at."""

import numpy as np

# What is not looked at: without its colours, at this share of its brightness.
DIM = 0.5
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def colours_of(image):
    """The image as `(H, W, 3)` colours from 0 to 1; refuses what the models would not take."""
    pixels = _array("image", image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise ValueError(
            "image: expected one image (H, W, 3), or (H, W) in grey, received shape "
            f"{np.shape(image)}."
        )
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(
            f"image: expected numbers from 0 to 255, received {pixels.min()} to {pixels.max()}."
        )
    if 0 < pixels.max() <= 1 and _array("image", image, keep=True).dtype.kind not in "bu":
        raise ValueError(
            "image: expected numbers from 0 to 255, as the models take them, received at most "
            f"{pixels.max():.3g}. Multiply an image of 0 to 1 by 255."
        )
    return np.broadcast_to(pixels / 255.0, (*pixels.shape[:2], 3))


def checked_maps(maps, words):
    """The maps of `words` as float64 `(T, h, w)`; what comes after them is left out."""
    shape = np.shape(maps)
    maps = _array("maps", maps)
    if maps.ndim != 3 or 0 in shape[1:]:
        raise ValueError(
            f"maps: expected a map (h, w) a word, (T, h, w), received shape {shape}. "
            "A captioning model's as_maps makes them of (T, h*w)."
        )
    if len(maps) < words:
        raise ValueError(
            f"maps: expected at least {words}, one a word, received shape {shape}, which is "
            f"{len(maps)}."
        )
    maps = maps[:words]
    if not np.isfinite(maps).all() or maps.min() < 0:
        raise ValueError("maps: expected finite numbers of at least 0, received others.")
    return maps


def checked_words(words):
    """The words, strings or UTF-8 bytes, without the empty ones at the end."""
    if isinstance(words, (str, bytes)):
        raise TypeError(
            f"words: expected a list with a string a map, received {words!r}. Which words have "
            "maps, the model's tokens tell."
        )
    words = [word.decode("utf-8") if isinstance(word, bytes) else word for word in words]
    for word in words:
        if not isinstance(word, str):
            raise TypeError(
                f"words: expected strings, received {word!r} of type {type(word).__name__}."
            )
    while words and not words[-1]:
        words.pop()
    if not words:
        raise ValueError("words: expected at least one, received none.")
    return words


def light(maps, size, smooth=0.75, vmax=None):
    """How brightly each pixel is lit by each map: `(T, h, w)` to `(T, H, W)`, from 0 to 1.

    The weight of a pixel is the mean of all weights of the map, each counting
    by a Gaussian of its distance, in cells: a map that is the same everywhere
    stays so, nothing overshoots, and a peak stays where it is.
    """
    for name, value in (("smooth", smooth), ("vmax", 1 if vmax is None else vmax)):
        if not value > 0 and not (name == "smooth" and value == 0):
            limit = "of at least 0" if name == "smooth" else "above 0 or None"
            raise ValueError(f"{name}: expected a number {limit}, received {value!r}.")
    down, across = (_spread(n, cells, smooth) for n, cells in zip(size, maps.shape[1:]))
    spread = down @ maps @ across.T
    if vmax is None:
        vmax = spread.max(axis=(1, 2), keepdims=True)
        vmax = np.where(vmax > 0, vmax, 1.0)
    return np.clip(spread / vmax, 0.0, 1.0)


def lit(colours, brightness):
    """The image in its colours where the brightness is 1, grey and dark where it is 0."""
    dark = DIM * (colours @ np.array(_LUMINANCE))[..., None]
    return dark + brightness[..., None] * (colours - dark)


def peak(weights, size):
    """`(y, x)` in pixels: the middle of the cell of the largest weight."""
    cell = np.unravel_index(np.argmax(weights), weights.shape)
    return tuple((i + 0.5) * n / cells for i, n, cells in zip(cell, size, weights.shape))


def _spread(pixels, cells, smooth):
    """`(pixels, cells)`: by how much each cell counts at each pixel; rows sum to 1."""
    at = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    distance = at[:, None] - np.arange(cells)
    if not smooth:
        return (np.abs(distance) == np.abs(distance).min(axis=1, keepdims=True)) * 1.0
    logits = -0.5 * (distance / smooth) ** 2
    counts = np.exp(logits - logits.max(axis=1, keepdims=True))
    return counts / counts.sum(axis=1, keepdims=True)


def _array(name, value, keep=False):
    if hasattr(value, "detach"):  # a tensor of torch that keeps its gradient
        value = value.detach().cpu()
    value = np.asarray(value)
    if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected numbers, received dtype {value.dtype}.")
    return value if keep else value.astype("float64")
