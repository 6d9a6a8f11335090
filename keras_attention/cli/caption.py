"""`keras-attention caption`: image files to captions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import typer

from keras_attention._core.printable import printable
from keras_attention.cli.app import app
from keras_attention.cli.options import (
    MaxLength,
    ModelFile,
    NBest,
    NumBeams,
    SearchOption,
    chosen_search,
    generations,
    load,
)


@runtime_checkable
class _ReadsImages(Protocol):
    image_size: tuple[int, int] | None


@app.command(no_args_is_help=True)
def caption(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="JPEG or PNG files.")],
    model: ModelFile,
    search: SearchOption = None,
    num_beams: NumBeams = None,
    max_length: MaxLength = None,
    n_best: NBest = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a picture of each image with the attention of each word."
        ),
    ] = None,
) -> None:
    """Describe images: a line with the file and its caption for every image.

    Example: keras-attention caption photo.jpg --model model.keras --figures maps
    """
    from keras_attention.datasets.images import read_image

    chosen = chosen_search(search, num_beams, max_length, n_best=n_best)
    captioner = load(model)
    size = captioner.image_size if isinstance(captioner, _ReadsImages) else None
    if size is None:
        raise ValueError(
            "--model: expected one that reads images, such as keras_attention.models.Captioner, "
            f"received {type(captioner).__name__}."
        )
    pixels = np.stack([read_image(path, size) for path in images])
    found = generations(captioner, pixels, chosen, n_best)
    for path, hypotheses in zip(images, found):
        for one in hypotheses:
            score = "" if n_best is None else f"{one.score:.4f}\t"
            typer.echo(f"{printable(str(path))}\t{score}{printable(one.text)}")
    if figures is not None:
        from keras_attention.plots import plot_caption

        figures.mkdir(parents=True, exist_ok=True)
        for number, (image, (best, *_)) in enumerate(zip(pixels, found), 1):
            if best.tokens:
                figure = plot_caption(image, best.tokens, best.attention, title=best.text)
                figure.savefig(figures / f"{number:03d}-{images[number - 1].stem}.png", dpi=150)
