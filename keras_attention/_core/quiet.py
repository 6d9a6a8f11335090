"""Suppresses the logging of other packages."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppresses all logging: tf2onnx uses several loggers, the root logger among them.

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
    """Suppresses what compiled code writes to the error stream; exceptions are still raised."""
    with open(os.devnull, "w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
