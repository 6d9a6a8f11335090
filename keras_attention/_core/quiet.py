"""Keeps the messages of other packages away from the user.

The scripts of `export/` load this file by its path, before TensorFlow or this package is imported:
it may import nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, nothing is logged: tf2onnx uses several loggers, the root logger among them.

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
def silent_stderr() -> Iterator[None]:
    """Inside, compiled code cannot write to the error stream.

    TensorFlow's first lines ignore its log level, and LiteRT's converter prints
    what its exceptions say again.
    """
    with open(os.devnull, "w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
