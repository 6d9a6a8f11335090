"""Images in, captions out, with a map for every word."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention.backend import compiled
from keras_attention.checks import check_positive
from keras_attention.generation.greedy import Decoded, greedy


class DecodedCaption(NamedTuple):
    """What a model says of an image.

    Attributes:
        text: the caption.
        score: its log-probability, in nats, the end included; of a search
            after its penalties.
        tokens: its words.
        maps: `(words, h, w)`, a NumPy array: where each word looked.

    Example:

    >>> from keras_attention.generation import DecodedCaption
    >>> DecodedCaption("an apple", -0.1, ["an", "apple"], None).text
    'an apple'
    """

    text: str
    score: float
    tokens: list
    maps: Any


def decode_captions(model, images, max_length=32, batch_size=64, search=None):
    """Captions images with a model that knows its vocabulary.

    Args:
        model: with `start`, `step`, `vocabulary` and `as_maps`, for instance a
            `Captioner`.
        images: `(N, H, W, 3)`, numbers from 0 to 255, or their features, as a
            dictionary `{"features": (N, h, w, D)}`.
        max_length: how many words at most, the end included, of greedy
            decoding; a search has its own.
        batch_size: how many images at once.
        search: what decodes, `search(model, images) -> Hypotheses`, such as
            `BeamSearch(width=4)`; greedily by default.

    Returns:
        A list of `DecodedCaption`, one an image, in their order; of a search
        the best hypotheses.

    Raises:
        ValueError: where the model has no vocabulary, or a number is not
            positive.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import decode_captions
    >>> from keras_attention.models import Captioner
    >>> from keras_attention.text import Vocabulary
    >>> words = Vocabulary(["an", "apple"], separator=" ")
    >>> model = Captioner(words, image_size=(32, 32), units=16)
    >>> found = decode_captions(model, np.zeros((2, 32, 32, 3), "uint8"), max_length=3)
    >>> len(found), found[0].maps.shape[1:]
    (2, (4, 4))
    """
    for name in ("vocabulary", "as_maps"):
        if not hasattr(model, name):
            raise ValueError(
                "model: expected one that captions images, such as keras_attention.models."
                f"Captioner, received {type(model).__name__} without {name}."
            )
    check_positive("batch_size", batch_size)
    given = images if isinstance(images, dict) else {"image": images}
    given = {name: np.asarray(array) for name, array in given.items()}
    count = len(next(iter(given.values())))

    def decode(batch):
        if search is None:
            return greedy(model, batch, max_length)
        return Decoded(*(part[:, 0] for part in search(model, batch)))

    # A graph takes seconds to trace, so it is worth it for many batches only.
    run = compiled(decode, given) if count > batch_size else decode
    captions = []
    for begin in range(0, count, batch_size):
        found = run({name: array[begin : begin + batch_size] for name, array in given.items()})
        maps = np.asarray(model.as_maps(found.attention))
        for sequence, score, looks in zip(np.asarray(found.sequences), found.scores, maps):
            tokens = model.vocabulary.to_tokens(sequence)
            text = model.vocabulary.join(tokens)
            captions.append(DecodedCaption(text, float(score), tokens, looks[: len(tokens)]))
    return captions
