"""Keeps the chatter of other packages out of what a person reads."""

import contextlib
import logging


@contextlib.contextmanager
def quiet():
    """Inside, nothing is logged: tf2onnx tells through several loggers, the root among them.

    Example:

    >>> import logging
    >>> from keras_attention.export.quiet import quiet
    >>> with quiet():
    ...     logging.getLogger("tf2onnx").isEnabledFor(logging.CRITICAL)
    False
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
