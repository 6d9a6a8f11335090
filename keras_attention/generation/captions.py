"""Images in, captions out, with a map for every word."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention._core.backend.graphs import compiled
from keras_attention._core.checks import check_positive
from keras_attention.generation.n_best import best_of, rows_of


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


def decode_captions(model, images, max_length=32, batch_size=64, search=None, n_best=None):
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
        n_best: how many captions of each image are returned, each with its
            score and maps; by default just the best.

    Returns:
        A list of `DecodedCaption`, one an image, in their order; of a search
        the best hypotheses. With `n_best` a list of such lists, one an image,
        the best first; shorter where a search has found fewer.

    Raises:
        ValueError: where the model has no vocabulary, a number is not
            positive, or `n_best` more than there are.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import decode_captions
    >>> from keras_attention.models import Captioner
    >>> from keras_attention.text.vocabulary import Vocabulary
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
    decode = best_of(model, search, max_length, n_best)
    given = images if isinstance(images, dict) else {"image": images}
    if len(given) != 1:
        raise ValueError(
            f"images: expected either 'image' or 'features', received {sorted(given)}."
        )
    given = {name: np.asarray(array) for name, array in given.items()}
    count = len(next(iter(given.values())))

    def written(ids, score, maps):
        tokens = model.vocabulary.to_tokens(ids)
        return DecodedCaption(model.vocabulary.join(tokens), score, tokens, maps)

    # A graph takes seconds to trace, so it is worth it for many batches only.
    run = compiled(decode, given) if count > batch_size else decode
    captions = []
    for begin in range(0, count, batch_size):
        found = run({name: array[begin : begin + batch_size] for name, array in given.items()})
        found = found._replace(attention=model.as_maps(found.attention))
        captions += [[written(*one) for one in hypotheses] for hypotheses in rows_of(found)]
    return [best for best, *_ in captions] if n_best is None else captions
