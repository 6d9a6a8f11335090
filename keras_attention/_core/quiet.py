"""Keeps the chatter of other packages out of what a person reads."""

import contextlib
import logging
import os


@contextlib.contextmanager
def quiet():
    """Inside, nothing is logged: tf2onnx tells through several loggers, the root among them.

    Example:

    >>> import logging
    >>> from keras_attention._core.quiet import quiet
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


@contextlib.contextmanager
def silent_stderr():
    """Inside, compiled code writes nothing to the error stream either; errors say it themselves."""
    with open(os.devnull, "w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
