"""Pictures for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from keras_attention._core.optional import require


class PictureSummaries:
    """Writes PNG pictures as summaries that TensorBoard shows.

    Args:
        folder: the log directory.

    Raises:
        ImportError: without TensorFlow or TensorBoard.
    """

    def __init__(self, folder: str | Path) -> None:
        require("tensorboard", "tensorboard")
        self._tf = require("tensorflow", "tensorboard")
        self._writer = self._tf.summary.create_file_writer(str(folder))

    def write(self, tag: str, png: bytes, step: int) -> None:
        """Writes one picture."""
        pixels = self._tf.io.decode_png(png, channels=3)
        with self._writer.as_default():
            self._tf.summary.image(tag, pixels[None], step=step)

    def flush(self) -> None:
        """Makes what was written visible to TensorBoard."""
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()
