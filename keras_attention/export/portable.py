"""Keeps out of an artifact what only the machine that writes it can run."""

import contextlib


@contextlib.contextmanager
def portable_kernels(model):
    """Inside, the recurrent layers of a Keras model do not choose cuDNN.

    On a machine with a GPU Keras writes cuDNN's operations into the graph of
    an LSTM or GRU; such an artifact runs on no CPU, and is no ONNX.

    Args:
        model: anything; what is no Keras layer is left alone.

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
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else ()
    chosen = [(layer, layer.use_cudnn) for layer in layers if hasattr(layer, "use_cudnn")]
    try:
        for layer, _ in chosen:
            layer.use_cudnn = False
        yield
    finally:
        for layer, before in chosen:
            layer.use_cudnn = before
