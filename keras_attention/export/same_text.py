"""Whether the graph of an artifact reads texts as Python does."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_attention.export._replay import plain
from keras_attention.export.errors import ExportError
from keras_attention.text import VocabularyLike
from keras_attention.text.bounds import longest_of


def check_same_text(
    vocabulary: VocabularyLike, texts: np.ndarray[Any, Any], tokens: np.ndarray[Any, Any]
) -> None:
    """Refuses a vocabulary whose graph reads a text otherwise than Python.

    Args:
        vocabulary: of the source.
        texts: `(B,)`, strings or bytes; what is no UTF-8 is read as U+FFFD.
        tokens: `(B, S)`, those that the graph found, padded with empty strings.

    Raises:
        ExportError: naming the first text with other ids.

    Example:

    >>> import numpy as np
    >>> from keras_attention.export.same_text import check_same_text
    >>> from keras_attention.text import Vocabulary
    >>> letters = Vocabulary("ab")
    >>> check_same_text(letters, np.array(["ab", "b"]), np.array([["a", "b"], ["b", ""]]))
    """
    for text, row in zip(plain(texts).tolist(), plain(tokens).tolist()):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        read = vocabulary.split(text)[: min(len(row), longest_of(vocabulary))]
        # In an array of NumPy a string has no NUL at its end.
        expected = vocabulary.to_ids(_unpadded(np.array(read, np.str_).tolist()))
        found = vocabulary.to_ids(_unpadded(row))
        if found != expected:
            raise ExportError(
                f"The source vocabulary, {type(vocabulary).__name__}, reads the text "
                f"{text[:60]!r} in TensorFlow as the ids {found[:20]}, in Python as "
                f"{expected[:20]}."
            )


def _unpadded(tokens: list[str]) -> list[str]:
    return tokens[: max((i for i, token in enumerate(tokens, 1) if token), default=0)]
