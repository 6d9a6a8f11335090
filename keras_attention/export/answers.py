"""What an artifact is asked for texts or images, and its answers as those of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_attention._core.masks import IMPOSSIBLE
from keras_attention._core.padding import pad
from keras_attention.export._replay.artifact import Arrays
from keras_attention.export.vocabularies import Vocabularies
from keras_attention.generation import Generation
from keras_attention.text import VocabularyLike

# A search gives `IMPOSSIBLE` for a hypothesis that there is not; rounding may change it.
_NOT_FOUND = IMPOSSIBLE / 10


def request(
    name: str, inputs: Sequence[Any], vocabularies: Vocabularies
) -> tuple[Any, list[list[str]] | None]:
    """The input of a signature, and the source tokens where its answer does not have them.

    Args:
        name: of the input.
        inputs: texts, files of images, or arrays of pixels.
        vocabularies: of the artifact.

    Raises:
        ValueError: for ids of an artifact without vocabulary, and another input.
    """
    if name == "tokens":
        source = _known(vocabularies.source, "source")
        read = [source.split(text) for text in inputs]
        return pad([source.to_ids(tokens) for tokens in read], value=source.special_ids.pad), read
    if name == "image":
        return np.stack([np.asarray(image, "float32") for image in inputs]), None
    if name in ("text", "image_bytes"):
        return list(inputs), None
    raise ValueError(
        f"artifact: expected the input text, image_bytes, tokens or image, received {name!r}."
    )


def generations(
    answer: Arrays, read: list[list[str]] | None, vocabularies: Vocabularies
) -> Iterator[list[Generation]]:
    """The hypotheses of each example, the best first.

    Args:
        answer: of a signature that decodes.
        read: the source tokens, where the answer does not have them.
        vocabularies: of an artifact that gives ids.
    """
    parts = dict(answer)
    if "source_tokens" in parts:
        read = [_texts(tokens) for tokens in parts.pop("source_tokens").tolist()]
    if parts["scores"].ndim == 1:
        parts = {name: array[:, None] for name, array in parts.items()}
    for i, scores in enumerate(parts["scores"]):
        source = None if read is None else read[i]
        found = [
            _generation({name: array[i, n] for name, array in parts.items()}, source, vocabularies)
            for n, score in enumerate(scores)
            if score > _NOT_FOUND or n == 0
        ]
        yield found


def _generation(
    one: dict[str, Any], source: list[str] | None, vocabularies: Vocabularies
) -> Generation:
    if "texts" in one:
        kept = np.flatnonzero(one["target_tokens"] != b"")
        tokens, text = _texts(one["target_tokens"].tolist()), one["texts"].decode()
    else:
        target = _known(vocabularies.target, "target")
        kept = np.flatnonzero(~np.isin(one["sequences"], vocabularies.hidden))
        tokens = target.to_tokens(one["sequences"][kept].tolist())
        text = target.join(tokens)
    attention = np.zeros((len(kept), 0), "float32")
    if "attention" in one:
        attention = one["attention"][kept]
        if source is not None:
            attention = attention[:, : len(source)]
    return Generation(text, float(one["scores"]), tokens, source, attention)


def _texts(tokens: list[bytes]) -> list[str]:
    """Tokens without padding."""
    return [token.decode() for token in tokens if token]


def _known(vocabulary: VocabularyLike | None, side: str) -> VocabularyLike:
    if vocabulary is None:
        raise ValueError(
            f"artifact: expected one with a {side} vocabulary, to read and write texts, received "
            "one of ids. Call its signatures with ids, or export kind='text'."
        )
    return vocabulary
