"""The best hypotheses of each row, of whatever decodes."""

import numpy as np

from keras_attention._core.checks import check_positive
from keras_attention.generation.greedy import greedy
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.text.vocabulary import END


def best_of(model, search=None, max_length=64, n_best=None):
    """What gives the `n_best` best hypotheses of each row, the one of greedy decoding included.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        search: `search(model, inputs)`, whose result has, first of all, the
            fields of `Hypotheses`; greedily by default.
        max_length: of greedy decoding.
        n_best: how many; by default one.

    Returns:
        A function from what `model.start` takes to `Hypotheses`.

    Raises:
        ValueError: where `n_best` is not a positive integer, or more than there
            are; of a search the function says so.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import BeamSearch
    >>> from keras_attention.generation.n_best import best_of
    >>> from keras_attention.models import EncoderDecoder
    >>> decode = best_of(EncoderDecoder(30, 40, units=16), BeamSearch(max_length=3), n_best=2)
    >>> tuple(decode(np.array([[5, 6, 7]])).scores.shape)
    (1, 2)
    """
    wanted = 1 if n_best is None else n_best
    check_positive("n_best", wanted)
    if search is None and wanted > 1:
        raise ValueError(
            "n_best: expected at most 1 of greedy decoding, which finds one hypothesis; pass a "
            f"search, such as BeamSearch(width={wanted}); received {wanted}."
        )

    def decode(inputs):
        if search is None:
            return Hypotheses(*(part[:, None] for part in greedy(model, inputs, max_length)))
        found = Hypotheses(*search(model, inputs)[: len(Hypotheses._fields)])
        if wanted > found.scores.shape[1]:
            raise ValueError(
                f"n_best: expected at most {found.scores.shape[1]}, as many as the search finds, "
                f"received {wanted}."
            )
        return Hypotheses(*(part[:, :wanted] for part in found))

    return decode


def rows_of(found):
    """Row by row, what was written: of each hypothesis its tokens, their score and attention.

    The start, the end and padding are no part of it, wherever a search chose
    them. Hypotheses that a search did not find are left out, but for the first.

    Args:
        found: `Hypotheses`; of images the attention may be maps.

    Returns:
        Of each row a list of `(ids (L,), score, attention (L, ...))`, as NumPy
        arrays.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import Hypotheses
    >>> from keras_attention.generation.n_best import rows_of
    >>> scores, attention = np.array([[-0.1, -1e30]]), np.ones((1, 2, 2, 1))
    >>> found = Hypotheses(np.array([[[5, 2], [0, 0]]]), scores, np.array([[2, 0]]), attention)
    >>> [[(ids.tolist(), score) for ids, score, _ in row] for row in rows_of(found)]
    [[([5], -0.1)]]
    """
    rows = []
    for row in zip(*(np.asarray(part) for part in found)):
        rows.append([])
        for sequence, score, length, attention in zip(*row):
            if length > 0 or not rows[-1]:
                kept = np.flatnonzero(sequence[:length] > END)
                rows[-1].append((sequence[kept], float(score), attention[kept]))
    return rows
