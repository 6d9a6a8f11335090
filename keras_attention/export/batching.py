"""`batching_params.pbtxt`: how TensorFlow Serving joins the requests to one version of a model."""

from __future__ import annotations

from pathlib import Path

FILE = "batching_params.pbtxt"
MAX_BATCH_SIZE = 32
_PARAMETERS = f"""\
# How TensorFlow Serving joins requests to this version (BatchingParameters as text). It is read
# with --enable_batching and --enable_per_model_batching_parameters, and ignored without.

# The most texts of a batch, and of a request: a larger request is refused. Splitting it would
# abort the server, because the parts of its answer may differ in width.
max_batch_size {{ value: {MAX_BATCH_SIZE} }}
enable_large_batch_splitting {{ value: false }}
# How long the first text of a batch waits for others. At 0 a batch is what arrived while the
# one before it ran; 5000 made a single request 7 ms slower, and many no faster.
batch_timeout_micros {{ value: 0 }}
# With more batches than these waiting, requests are refused as UNAVAILABLE.
max_enqueued_batches {{ value: 100 }}
"""


def write_batching_parameters(folder: str | Path) -> None:
    """Writes `batching_params.pbtxt` beside `saved_model.pb`, where TensorFlow Serving reads it.

    Only for an artifact that takes text. Ids of different width would be
    joined, and their batch would fail; a broken image would fail its batch.

    Args:
        folder: a version of a SavedModel.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.export.batching import write_batching_parameters
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_batching_parameters(folder)
    ...     "max_batch_size { value: 32 }" in pathlib.Path(folder, FILE).read_text()
    True
    """
    Path(folder, FILE).write_text(_PARAMETERS, "utf-8")
