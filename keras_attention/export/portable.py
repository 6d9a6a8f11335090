"""Keeps operations out of an artifact that only the machine that writes it can run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def portable_kernels(model: object) -> Iterator[None]:
    """Inside, the recurrent layers of a Keras model do not choose cuDNN.

    On a machine with a GPU, Keras writes cuDNN's operations into the graph of
    an LSTM or GRU. Such an artifact does not run on a CPU and does not convert
    to ONNX.

    Args:
        model: a Keras layer; any other object is left as it is.

    Example:

    >>> import keras
    >>> from keras_attention.export.portable import portable_kernels
    >>> layer = keras.layers.LSTM(4)
    >>> with portable_kernels(layer):
    ...     layer.use_cudnn
    False
    >>> layer.use_cudnn
    'auto'
    """
    layers = model._flatten_layers() if isinstance(model, keras.Layer) else ()
    recurrent = (keras.layers.LSTM, keras.layers.GRU)
    chosen = [(layer, layer.use_cudnn) for layer in layers if isinstance(layer, recurrent)]
    try:
        for layer, _ in chosen:
            layer.use_cudnn = False
        yield
    finally:
        for layer, before in chosen:
            layer.use_cudnn = before
