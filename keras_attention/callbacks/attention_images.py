"""Pictures of what a model attends to, drawn while it is trained."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_attention._core.backend.summaries import PictureSummaries
from keras_attention._core.checks import check_positive
from keras_attention._core.files import replacing
from keras_attention._core.optional import require
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation import Generation, Greedy, Search, generate
from keras_attention.models.generating import GeneratingModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_attention._core.types import Logs


class AttentionImages(keras.callbacks.Callback):
    """Draws the attention of chosen examples at the end of epochs, as PNG files and in TensorBoard.

    The model writes a text for each example, with the weights it has then. For
    a source of tokens the picture is the alignment, see
    `keras_attention.plots.plot_attention`, for an image one panel per word, see
    `plot_caption`. An example for which the model writes no token has no
    picture of that epoch.

    The files are `FOLDER/epoch-0001-example-1.png` and so on; in TensorBoard
    the tags are `attention/example-1` and so on, with the epochs, counted from
    1, as steps.

    Args:
        inputs: a few examples, as `generate` of the model takes them: texts, ids
            or images.
        folder: where to write PNG files, or None.
        log_dir: a log directory of TensorBoard, or None.
        every: the number of epochs from one picture to the next.
        search: how the model writes; by default its own, that of
            `compile(search=...)`, or else `Greedy()`.

    Raises:
        ValueError: without `folder` and `log_dir`, for `every` that is not
            positive, and at the end of an epoch for a model without attention
            weights, or one that reads images where `inputs` hold none.
        ImportError: without the extra `plots`, and with `log_dir` without the
            extra `tensorboard`.

    Example:

    >>> from keras_attention.callbacks import AttentionImages
    >>> callback = AttentionImages(["hello"], folder="build/pictures", every=2)
    >>> [epoch for epoch in range(6) if callback.draws(epoch)]
    [1, 3, 5]
    """

    def __init__(
        self,
        inputs: Structure,
        folder: str | Path | None = None,
        log_dir: str | Path | None = None,
        every: int = 1,
        search: Search | None = None,
    ) -> None:
        super().__init__()
        if folder is None and log_dir is None:
            raise ValueError("folder: expected a folder, or else a log_dir, received None.")
        # Before the training rather than after its first epoch.
        require("matplotlib", "plots")
        self.inputs, self.search = inputs, search
        self.every = check_positive("every", every)
        self.folder = None if folder is None else Path(folder)
        self.summaries = None if log_dir is None else PictureSummaries(log_dir)

    def draws(self, epoch: int) -> bool:
        """Whether there are pictures of an epoch, counted from 0."""
        return (epoch + 1) % self.every == 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Draws, if it is the turn of this epoch."""
        if not self.draws(epoch):
            return
        search = self.search
        if search is None:
            search = self.model.search if isinstance(self.model, GeneratingModel) else Greedy()
        found = generate(self.model, self.inputs, search, verbose=False)
        for number, one in enumerate(found, 1):
            if one.tokens:
                figure = self._figure(one, number - 1, f"epoch {epoch + 1}")
                self._write(figure, f"example-{number}", epoch + 1)
        if self.summaries is not None:
            self.summaries.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Ends the file of TensorBoard."""
        if self.summaries is not None:
            self.summaries.close()

    def _figure(self, one: Generation, index: int, title: str) -> Figure:
        from keras_attention.plots import plot_attention, plot_caption

        attention = np.asarray(one.attention)
        if not attention.size:
            raise ValueError(
                f"model: expected one that returns attention weights, received {self.model.name!r},"
                " which returns none."
            )
        if attention.ndim == 2 and one.source_tokens is not None:
            return plot_attention(attention, one.source_tokens, one.tokens, title)
        return plot_caption(self._image(index), one.tokens, attention, title)

    def _image(self, index: int) -> Tensor:
        images = self.inputs.get("image") if isinstance(self.inputs, dict) else self.inputs
        if images is None:
            raise ValueError(
                "inputs: expected images under 'image', on which the attention is drawn, received "
                f"{sorted(self.inputs)}."
            )
        return keras.ops.convert_to_numpy(images[index])

    def _write(self, figure: Figure, name: str, epoch: int) -> None:
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"epoch-{epoch:04d}-{name}.png"
            with replacing(path) as unfinished:
                unfinished.write_bytes(content.getvalue())
        if self.summaries is not None:
            self.summaries.write(f"attention/{name}", content.getvalue(), epoch)
