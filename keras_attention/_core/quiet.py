"""Keeps the messages of other packages away from the user.

The scripts of `export/` load this file by its path, before TensorFlow or this package is imported:
it may import nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
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
    try:
        stderr = os.dup(2)
    except OSError:  # The process has no error stream.
        yield
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def import_keras() -> None:
    """Imports Keras, without TensorFlow's first messages where they are not wanted.

    That is in the command line, and where `TF_CPP_MIN_LOG_LEVEL` is 3: the first
    lines that TensorFlow writes ignore it.
    """
    if _is_command():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3"
    with contextlib.nullcontext() if wanted else silent_stderr():
        import keras  # noqa: F401


def _is_command() -> bool:
    """Whether this process is `keras-attention`, or `python -m keras_attention`."""
    arguments = sys.orig_argv[1:]
    if "-m" in arguments:
        return arguments[arguments.index("-m") + 1 :][:1] in (
            ["keras_attention"],
            ["keras_attention.cli"],
        )
    return any(os.path.basename(one).startswith("keras-attention") for one in arguments[:2])
